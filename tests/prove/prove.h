/*
 * prove.h - what the proofs share. A proof is a function of a harness without parameters; cbmc (or goto-instrument
 * before it) takes it as the program. Owns nothing. docs/proofs.md says how proofs are written.
 */
#ifndef PROVE_H
#define PROVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Names that cbmc knows. gcc and clang, which only check the syntax here, do not. */
#ifndef __CPROVER
void __CPROVER_assume(bool e);
void __CPROVER_assert(bool e, const char *why);
void __CPROVER_havoc_object(void *p);
bool __CPROVER_same_object(const void *a, const void *b);
size_t __CPROVER_POINTER_OFFSET(const void *p);
#endif

/* cbmc gives a function with such a name, and without a body, any result. */
bool nondet_bool(void);
char nondet_char(void);
int nondet_int(void);
size_t nondet_size(void);
uint8_t nondet_u8(void);
uint16_t nondet_u16(void);
uint32_t nondet_u32(void);
uint64_t nondet_u64(void);

#define PROOF(name)          \
    void prove_##name(void); \
    void prove_##name(void)
#define ASSUME(e) __CPROVER_assume(e)
#define CLAIM(e) __CPROVER_assert(e, #e)

/* An object of n bytes of any value, and no byte more: the check of bounds sees each one beyond. */
static inline void *any_bytes(size_t n) {
    void *p = malloc(n);
    ASSUME(p != NULL);
    return p;
}

#endif

/*
 * test.c - the counters of test.h, one of each for all files of a test program.
 */
#include "test.h"

int test_count, test_failures;
bool test_ok;

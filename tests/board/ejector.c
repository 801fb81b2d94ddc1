/*
 * ejector.c - a guest without an operating system that gives PCI devices back: it answers the ACPI registers by which a
 * QEMU of machine type q35 asks for a device, and ejects whatever is asked for. Multiboot, 32 bits: qemu -kernel.
 *
 * Its serial port says "up" after a start or reset, and "ejects" each time. It obeys two letters there: h, it hangs:
 * runs on, and answers nothing; g, it goes on.
 */
#include <stdbool.h>
#include <stdint.h>

/* Registers of q35, docs/specs/acpi_pci_hotplug of QEMU. */
enum { HOTPLUG = 0xcc0, DOWN = HOTPLUG + 4, EJECT = HOTPLUG + 8, SELECT = HOTPLUG + 16, BUSES = 32 };
enum { SERIAL = 0x3f8, SERIAL_STATUS = SERIAL + 5, RECEIVED = 1 };
enum { PAUSES = 100000 };

void run(void);

__asm__(".section .multiboot, \"a\"\n"
        ".balign 4\n"
        ".long 0x1badb002, 0, -0x1badb002\n"
        ".section .bss\n"
        ".balign 16\n"
        ".skip 4096\n"
        "stack:\n"
        ".text\n"
        ".globl _start\n"
        "_start: mov $stack, %esp\n"
        "call run\n");

static void out8(uint16_t port, uint8_t value) {
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static uint8_t in8(uint16_t port) {
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void out32(uint16_t port, uint32_t value) {
    __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}

static uint32_t in32(uint16_t port) {
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void say(const char *text) {
    for (; *text != '\0'; text++)
        out8(SERIAL, (uint8_t)*text);
}

/* All ones: there is no such register. */
static void eject_all(void) {
    for (uint32_t bus = 0; bus < BUSES; bus++) {
        out32(SELECT, bus);
        uint32_t slots = in32(DOWN);
        if (slots == 0 || slots == UINT32_MAX)
            continue;
        out32(EJECT, slots);
        say("ejects\n");
    }
}

void run(void) {
    bool hangs = false;
    say("up\n");
    for (;;) {
        uint8_t letter = (in8(SERIAL_STATUS) & RECEIVED) != 0 ? in8(SERIAL) : 0;
        hangs = letter == 'h' || (hangs && letter != 'g');
        if (!hangs)
            eject_all();
        for (int i = 0; i < PAUSES; i++)
            __asm__ volatile("pause");
    }
}

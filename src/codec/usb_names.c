/*
 * usb_names.c - see usb_names.h: looks into a compiled-in table. Owns no state.
 */
#include "codec/usb_names.h"

#ifdef USB_IDS_NONE

const char *usb_names_vendor(uint16_t vid) {
    (void)vid;
    return "";
}

const char *usb_names_product(uint16_t vid, uint16_t pid) {
    (void)vid;
    (void)pid;
    return "";
}

const char *usb_names_version(void) {
    return "none";
}

const void *usb_names_table(int part, size_t *size) {
    (void)part;
    *size = 0;
    return NULL;
}

#else

#include "codec/id_table.h"

const char *usb_names_vendor(uint16_t vid) {
    return id_table_vendor(&usb_ids_table, vid);
}

const char *usb_names_product(uint16_t vid, uint16_t pid) {
    return id_table_device(&usb_ids_table, vid, pid);
}

const char *usb_names_version(void) {
    return usb_ids_table.date;
}

const void *usb_names_table(int part, size_t *size) {
    return id_table_part(&usb_ids_table, part, size);
}

#endif

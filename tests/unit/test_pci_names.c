/*
 * test_pci_names.c - pci_names.c: every entry of the table is found, and other ids have no name.
 */
#include "codec/pci_names.h"
#include "test.h"

#ifdef PCI_IDS_NONE

static void without_a_table_nothing_has_a_name(void) {
    size_t size = 77;
    for (uint32_t id = 0; id <= UINT16_MAX; id++)
        CHECK(pci_names_vendor((uint16_t)id)[0] == '\0' && pci_names_device((uint16_t)id, 1)[0] == '\0');
    CHECK_STR(pci_names_version(), "none");
    CHECK(pci_names_table(0, &size) == NULL && size == 0);
}

int main(void) {
    RUN(without_a_table_nothing_has_a_name);
    TEST_MAIN_END;
}

#else

#include "base/limits.h"
#include "base/str.h"
#include "codec/id_table.h"

#define TABLE pci_ids_table

/* Whole characters, none of them a control character, not longer than a device's name may be. */
static bool presentable(const char *s) {
    size_t left = strlen(s);
    if (left == 0 || left >= VH_STRING_MAX)
        return false;
    while (left > 0) {
        uint32_t c = 0;
        size_t n = utf8_len(s, left, &c);
        if (n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0))
            return false;
        s += n;
        left -= n;
    }
    return true;
}

static void every_vendor_is_found(void) {
    CHECK(TABLE.nvendors > 0);
    for (uint32_t i = 0; i < TABLE.nvendors; i++) {
        const struct id_vendor *v = &TABLE.vendors[i];
        CHECK(i == 0 || v->id > TABLE.vendors[i - 1].id);
        CHECK(pci_names_vendor(v->id) == TABLE.text + v->name);
        CHECK(presentable(pci_names_vendor(v->id)));
    }
}

static void every_product_is_found(void) {
    uint32_t first = 0;
    for (uint32_t i = 0; i < TABLE.nvendors; i++) {
        const struct id_vendor *v = &TABLE.vendors[i];
        CHECK_INT(v->first, first); /* one vendor's after the other's */
        first += v->count;
        for (uint32_t k = v->first; k < v->first + v->count; k++) {
            CHECK(k == v->first || TABLE.ids[k] > TABLE.ids[k - 1]);
            CHECK(pci_names_device(v->id, TABLE.ids[k]) == TABLE.text + TABLE.names[k]);
            CHECK(presentable(pci_names_device(v->id, TABLE.ids[k])));
        }
    }
    CHECK_INT(TABLE.size[1], first * sizeof TABLE.ids[0]);
    CHECK_INT(TABLE.size[2], first * sizeof TABLE.names[0]);
}

static void unknown_numbers_have_no_name(void) {
    uint32_t known = 0;
    for (uint32_t id = 0; id <= UINT16_MAX; id++) {
        bool named = pci_names_vendor((uint16_t)id)[0] != '\0';
        known += named;
        if (!named) {
            CHECK_STR(pci_names_device((uint16_t)id, 0), "");
            CHECK_STR(pci_names_device((uint16_t)id, UINT16_MAX), "");
        }
    }
    CHECK_INT(known, TABLE.nvendors);
}

static void a_known_vendors_unknown_products_have_no_name(void) {
    for (uint32_t i = 0; i < TABLE.nvendors; i += 1 + TABLE.nvendors / 50) {
        const struct id_vendor *v = &TABLE.vendors[i];
        uint32_t known = 0;
        for (uint32_t id = 0; id <= UINT16_MAX; id++)
            known += pci_names_device(v->id, (uint16_t)id)[0] != '\0';
        CHECK_INT(known, v->count);
    }
}

static void the_parts_of_the_table_are_all_of_it(void) {
    size_t size = 0;
    const void *const parts[] = {TABLE.vendors, TABLE.ids, TABLE.names, TABLE.text};
    for (int i = 0; i < 4; i++) {
        CHECK(pci_names_table(i, &size) == parts[i]);
        CHECK_INT(size, TABLE.size[i]);
    }
    CHECK_INT(TABLE.size[0], TABLE.nvendors * sizeof TABLE.vendors[0]);
    CHECK(TABLE.size[3] > 0 && TABLE.text[TABLE.size[3] - 1] == '\0');
    for (uint32_t i = 0; i < TABLE.nvendors; i++)
        CHECK(TABLE.vendors[i].name < TABLE.size[3]);
    for (size_t i = 0; i < TABLE.size[2] / sizeof TABLE.names[0]; i++)
        CHECK(TABLE.names[i] < TABLE.size[3]);
    CHECK(pci_names_table(4, &size) == NULL && pci_names_table(-1, &size) == NULL);
}

static void the_database_has_a_date(void) {
    CHECK(pci_names_version()[0] != '\0' && strcmp(pci_names_version(), "none") != 0);
}

int main(void) {
    RUN(every_vendor_is_found);
    RUN(every_product_is_found);
    RUN(unknown_numbers_have_no_name);
    RUN(a_known_vendors_unknown_products_have_no_name);
    RUN(the_parts_of_the_table_are_all_of_it);
    RUN(the_database_has_a_date);
    TEST_MAIN_END;
}

#endif

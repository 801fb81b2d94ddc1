/*
 * conf_keys.h - the keys of the configuration, inside the conf family only: one enum for each object of the schema, and
 * hints for unknown keys.
 */
#ifndef VHOTPLUG_CONF_KEYS_H
#define VHOTPLUG_CONF_KEYS_H

#include "codec/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The objects of the schema; each has a table of its keys. */
enum conf_object {
    OBJ_ROOT,
    OBJ_GENERAL,
    OBJ_API,
    OBJ_VM,
    OBJ_RULE,
    OBJ_ENTRY,
    OBJ_CLASS,
    OBJ_PCI_RULE,
    OBJ_PCI_ENTRY,
    OBJ_EVDEV, /* evdevPassthrough as one object */
    OBJ_EVDEV_RULE,
    OBJ_EVDEV_ENTRY,
    OBJ_ACPI_RULE,
    OBJ_ACPI_ENTRY,
    OBJ_CLIENT,
    OBJ_LIMITS,
    OBJ_CONNECTOR,
    OBJ_AUTHORIZATION,
    OBJ_COUNT
};

enum root_key {
    ROOT_USB,
    ROOT_PCI,
    ROOT_EVDEV,
    ROOT_ACPI,
    ROOT_AUTHORIZATION,
    ROOT_VMS,
    ROOT_GENERAL,
    ROOT_DESCRIPTION,
    ROOT_SCHEMA,
    ROOT_KEYS
};
enum general_key {
    GEN_API,
    GEN_RULE_MATCH,
    GEN_PERSISTENCY,
    GEN_STATE_PATH,
    GEN_RECORD_PATH,
    GEN_ON_CORRUPT,
    GEN_LEASE,
    GEN_RELEASE,
    GEN_QUARANTINE,
    GEN_UPLINK,
    GEN_CONNECTORS,
    GEN_OVMF_CODE,
    GEN_OVMF_VARS,
    GEN_DESCRIPTION,
    GENERAL_KEYS
};
enum api_key {
    API_ENABLE,
    API_DISABLE,
    API_TRANSPORTS,
    API_HOST,
    API_PORT,
    API_TCP_PORT,
    API_VSOCK_PORT,
    API_ALLOWED_CIDS,
    API_UNIX_SOCKET,
    API_UNIX_USER,
    API_UNIX_GROUP,
    API_UNIX_MODE,
    API_CLIENTS,
    API_LIMITS,
    API_DESCRIPTION,
    API_KEYS
};
enum vm_key {
    VMK_NAME,
    VMK_TYPE,
    VMK_SOCKET,
    VMK_CID,
    VMK_UID,
    VMK_QMP,
    VMK_PASSING,
    VMK_USB_BUS,
    VMK_REVOKE,
    VMK_DESCRIPTION,
    VM_KEYS
};
enum client_key { CLI_CID, CLI_UID, CLI_GID, CLI_TCP, CLI_ROLE, CLI_VM, CLI_DESCRIPTION, CLIENT_KEYS };
enum limit_key { LIM_CLIENTS, LIM_RATE, LIM_LINE, LIM_DESCRIPTION, LIMIT_KEYS };
enum rule_key {
    RULE_DESCRIPTION,
    RULE_TARGET,
    RULE_ALLOWED,
    RULE_ALLOW,
    RULE_DENY,
    RULE_TAG,
    RULE_SPEED,
    RULE_SKIP,
    RULE_RESET,
    RULE_HOST,
    RULE_ENABLE,
    RULE_DISABLE,
    RULE_KEYS
};
enum entry_key {
    ENT_VENDOR_ID,
    ENT_PRODUCT_ID,
    ENT_VENDOR_NAME,
    ENT_PRODUCT_NAME,
    ENT_SERIAL,
    ENT_BUS,
    ENT_PORT,
    ENT_DEV_CLASS,
    ENT_DEV_SUBCLASS,
    ENT_DEV_PROTOCOL,
    ENT_IF_CLASS,
    ENT_IF_SUBCLASS,
    ENT_IF_PROTOCOL,
    ENT_REMOVABLE,
    ENT_DRIVER_PATH,
    ENT_ALL_IFACES,
    ENT_CONNECTOR, /* up to here in the order of enum entry_field's bits */
    ENT_DIRECT,
    ENT_DESCRIPTION,
    ENT_ENABLE,
    ENT_DISABLE,
    ENTRY_KEYS
};
enum pci_rule_key {
    PRULE_DESCRIPTION,
    PRULE_TARGET,
    PRULE_ALLOW,
    PRULE_DENY,
    PRULE_TAG,
    PRULE_SKIP,
    PRULE_ADD_ALL,
    PRULE_SKIP_SHARED,
    PRULE_OVMF,
    PRULE_QEMU_ROOT,
    PRULE_CROSVM_ROOT,
    PRULE_ENABLE,
    PRULE_DISABLE,
    PCI_RULE_KEYS
};
enum pci_entry_key {
    PENT_ADDRESS,
    PENT_VENDOR,
    PENT_DEVICE,
    PENT_CLASS,
    PENT_SUBCLASS,
    PENT_PROG_IF, /* up to here in the order of enum pci_field's bits */
    PENT_DESCRIPTION,
    PENT_ENABLE,
    PENT_DISABLE,
    PCI_ENTRY_KEYS
};
enum evdev_key { EVD_TARGET, EVD_PREFIX, EVD_RULES, EVD_DESCRIPTION, EVD_ENABLE, EVD_DISABLE, EVDEV_KEYS };
enum evdev_rule_key {
    ERULE_DESCRIPTION,
    ERULE_TARGET,
    ERULE_ALLOW,
    ERULE_DENY,
    ERULE_TAG,
    ERULE_ENABLE,
    ERULE_DISABLE,
    EVDEV_RULE_KEYS
};
enum evdev_entry_key {
    EENT_NAME,
    EENT_PATH_TAG,
    EENT_PROPERTY,
    EENT_VALUE,
    EENT_DESCRIPTION,
    EENT_ENABLE,
    EENT_DISABLE,
    EVDEV_ENTRY_KEYS
};
enum acpi_rule_key { ARULE_DESCRIPTION, ARULE_TARGET, ARULE_ALLOW, ARULE_ENABLE, ARULE_DISABLE, ACPI_RULE_KEYS };
enum acpi_entry_key { AENT_TABLE, AENT_USER, AENT_GROUP, AENT_DESCRIPTION, AENT_ENABLE, AENT_DISABLE, ACPI_ENTRY_KEYS };
enum class_key { CLS_CLASS, CLS_SUBCLASS, CLS_PROTOCOL, CLS_DESCRIPTION, CLASS_KEYS };
enum authorization_key {
    AUTH_ENABLE,
    AUTH_DISABLE,
    AUTH_UNMATCHED,
    AUTH_HOST_ALLOW,
    AUTH_DESCRIPTION,
    AUTHORIZATION_KEYS
};
enum connector_key { CON_NAME, CON_PORTS, CON_DESCRIPTION, CONNECTOR_KEYS };
#define CONF_KEYS_MAX 22

/* Index, or -1 if this is no key that is read. */
int keys_find(const struct json *j, enum conf_object o, int key_token);
const char *keys_name(enum conf_object o, int index);
/* For a key of the schema that this version does not read: why ("PCI devices are not passed yet"), else NULL. */
const char *keys_later_only(const struct json *j, enum conf_object o, int key_token, uint32_t *bit);
bool keys_decide(enum conf_object o); /* is it a rule, or a part of one? */
/* A hint for an unknown key: "did you mean 'x'?", "it belongs in general.api", or "". True if the key was certainly
 * meant for one that decides where devices go, so that leaving it out may cost a device: of rules and entries, all but
 * descriptions; of the top level, rules and VMs. */
bool keys_hint(enum conf_object o, const char *key, char *dst, size_t cap);

#endif

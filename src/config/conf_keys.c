/*
 * conf_keys.c - the keys of the configuration: those that are read, those of the schema that this version does not
 * read, and hints for unknown ones. Tables only; never looks at a value.
 */
#include "config/conf_keys.h"

#include "base/log.h"
#include "base/str.h"
#include "config/conf.h"

#include <string.h>

static const char *const root_keys[] = {
    [ROOT_USB] = "usbPassthrough",
    [ROOT_PCI] = "pciPassthrough",
    [ROOT_EVDEV] = "evdevPassthrough",
    [ROOT_ACPI] = "acpiPassthrough",
    [ROOT_AUTHORIZATION] = "usbAuthorization",
    [ROOT_VMS] = "vms",
    [ROOT_GENERAL] = "general",
    [ROOT_DESCRIPTION] = "description",
    [ROOT_SCHEMA] = "$schema",
};

static const char *const general_keys[] = {
    [GEN_API] = "api",
    [GEN_RULE_MATCH] = "ruleMatch",
    [GEN_PERSISTENCY] = "persistency",
    [GEN_STATE_PATH] = "statePath",
    [GEN_RECORD_PATH] = "recordPath",
    [GEN_ON_CORRUPT] = "onCorruptState",
    [GEN_LEASE] = "leaseSeconds",
    [GEN_RELEASE] = "releaseOnExit",
    [GEN_QUARANTINE] = "quarantine",
    [GEN_UPLINK] = "protectUplink",
    [GEN_CONNECTORS] = "connectors",
    [GEN_OVMF_CODE] = "ovmfCode",
    [GEN_OVMF_VARS] = "ovmfVars",
    [GEN_DESCRIPTION] = "description",
};

static const char *const api_keys[] = {
    [API_ENABLE] = "enable",
    [API_DISABLE] = "disable",
    [API_TRANSPORTS] = "transports",
    [API_HOST] = "host",
    [API_PORT] = "port",
    [API_TCP_PORT] = "tcpPort",
    [API_VSOCK_PORT] = "vsockPort",
    [API_ALLOWED_CIDS] = "allowedCids",
    [API_UNIX_SOCKET] = "unixSocket",
    [API_UNIX_USER] = "unixSocketUser",
    [API_UNIX_GROUP] = "unixSocketGroup",
    [API_UNIX_MODE] = "unixSocketMode",
    [API_CLIENTS] = "clients",
    [API_LIMITS] = "limits",
    [API_DESCRIPTION] = "description",
};

static const char *const client_keys[] = {
    [CLI_CID] = "cid",
    [CLI_UID] = "uid",
    [CLI_GID] = "gid",
    [CLI_TCP] = "tcp",
    [CLI_ROLE] = "role",
    [CLI_VM] = "vm",
    [CLI_DESCRIPTION] = "description",
};

static const char *const limit_keys[] = {
    [LIM_CLIENTS] = "connectionsPerPeer",
    [LIM_RATE] = "requestsPerSecond",
    [LIM_LINE] = "lineSeconds",
    [LIM_DESCRIPTION] = "description",
};

static const char *const vm_keys[] = {
    [VMK_NAME] = "name",
    [VMK_TYPE] = "type",
    [VMK_SOCKET] = "socket",
    [VMK_CID] = "cid",
    [VMK_UID] = "uid",
    [VMK_QMP] = "qmp",
    [VMK_PASSING] = "usbPassing",
    [VMK_USB_BUS] = "usbBus",
    [VMK_REVOKE] = "revoke",
    [VMK_DESCRIPTION] = "description",
};

static const char *const rule_keys[] = {
    [RULE_DESCRIPTION] = "description",
    [RULE_TARGET] = "targetVm",
    [RULE_ALLOWED] = "allowedVms",
    [RULE_ALLOW] = "allow",
    [RULE_DENY] = "deny",
    [RULE_TAG] = "tag",
    [RULE_SPEED] = "minSpeed",
    [RULE_SKIP] = "skipOnSuspend",
    [RULE_RESET] = "resetOnRelease",
    [RULE_HOST] = "host",
    [RULE_ENABLE] = "enable",
    [RULE_DISABLE] = "disable",
};

static const char *const entry_keys[] = {
    [ENT_VENDOR_ID] = "vendorId",
    [ENT_PRODUCT_ID] = "productId",
    [ENT_VENDOR_NAME] = "vendorName",
    [ENT_PRODUCT_NAME] = "productName",
    [ENT_SERIAL] = "serial",
    [ENT_BUS] = "bus",
    [ENT_PORT] = "port",
    [ENT_DEV_CLASS] = "deviceClass",
    [ENT_DEV_SUBCLASS] = "deviceSubclass",
    [ENT_DEV_PROTOCOL] = "deviceProtocol",
    [ENT_IF_CLASS] = "interfaceClass",
    [ENT_IF_SUBCLASS] = "interfaceSubclass",
    [ENT_IF_PROTOCOL] = "interfaceProtocol",
    [ENT_REMOVABLE] = "removable",
    [ENT_DRIVER_PATH] = "driverPath",
    [ENT_ALL_IFACES] = "allInterfaces",
    [ENT_CONNECTOR] = "connector",
    [ENT_DIRECT] = "direct",
    [ENT_DESCRIPTION] = "description",
    [ENT_ENABLE] = "enable",
    [ENT_DISABLE] = "disable",
};

static const char *const pci_rule_keys[] = {
    [PRULE_DESCRIPTION] = "description",
    [PRULE_TARGET] = "targetVm",
    [PRULE_ALLOW] = "allow",
    [PRULE_DENY] = "deny",
    [PRULE_TAG] = "tag",
    [PRULE_SKIP] = "skipOnSuspend",
    [PRULE_ADD_ALL] = "pciIommuAddAll",
    [PRULE_SKIP_SHARED] = "pciIommuSkipIfShared",
    [PRULE_OVMF] = "autoOvmf",
    [PRULE_QEMU_ROOT] = "qemuUseRootBus",
    [PRULE_CROSVM_ROOT] = "crosvmUseRootBus",
    [PRULE_ENABLE] = "enable",
    [PRULE_DISABLE] = "disable",
};

static const char *const pci_entry_keys[] = {
    [PENT_ADDRESS] = "address",         [PENT_VENDOR] = "vendorId",         [PENT_DEVICE] = "deviceId",
    [PENT_CLASS] = "deviceClass",       [PENT_SUBCLASS] = "deviceSubclass", [PENT_PROG_IF] = "deviceProgIf",
    [PENT_DESCRIPTION] = "description", [PENT_ENABLE] = "enable",           [PENT_DISABLE] = "disable",
};

static const char *const evdev_keys[] = {
    [EVD_TARGET] = "targetVm",         [EVD_PREFIX] = "pcieBusPrefix", [EVD_RULES] = "rules",
    [EVD_DESCRIPTION] = "description", [EVD_ENABLE] = "enable",        [EVD_DISABLE] = "disable",
};

static const char *const evdev_rule_keys[] = {
    [ERULE_DESCRIPTION] = "description",
    [ERULE_TARGET] = "targetVm",
    [ERULE_ALLOW] = "allow",
    [ERULE_DENY] = "deny",
    [ERULE_TAG] = "tag",
    [ERULE_ENABLE] = "enable",
    [ERULE_DISABLE] = "disable",
};

static const char *const evdev_entry_keys[] = {
    [EENT_NAME] = "name",       [EENT_PATH_TAG] = "pathTag",        [EENT_PROPERTY] = "property",
    [EENT_VALUE] = "value",     [EENT_DESCRIPTION] = "description", [EENT_ENABLE] = "enable",
    [EENT_DISABLE] = "disable",
};

static const char *const acpi_rule_keys[] = {
    [ARULE_DESCRIPTION] = "description", [ARULE_TARGET] = "targetVm", [ARULE_ALLOW] = "allow",
    [ARULE_ENABLE] = "enable",           [ARULE_DISABLE] = "disable",
};

static const char *const acpi_entry_keys[] = {
    [AENT_TABLE] = "acpiTable",         [AENT_USER] = "setUser",  [AENT_GROUP] = "setGroup",
    [AENT_DESCRIPTION] = "description", [AENT_ENABLE] = "enable", [AENT_DISABLE] = "disable",
};

static const char *const class_keys[] = {
    [CLS_CLASS] = "interfaceClass",
    [CLS_SUBCLASS] = "interfaceSubclass",
    [CLS_PROTOCOL] = "interfaceProtocol",
    [CLS_DESCRIPTION] = "description",
};

static const char *const authorization_keys[] = {
    [AUTH_ENABLE] = "enable",        [AUTH_DISABLE] = "disable",         [AUTH_UNMATCHED] = "deauthorizeUnmatched",
    [AUTH_HOST_ALLOW] = "hostAllow", [AUTH_DESCRIPTION] = "description",
};

static const char *const connector_keys[] = {
    [CON_NAME] = "name",
    [CON_PORTS] = "ports",
    [CON_DESCRIPTION] = "description",
};

_Static_assert(sizeof root_keys / sizeof *root_keys == ROOT_KEYS, "every root key has a name");
_Static_assert(sizeof general_keys / sizeof *general_keys == GENERAL_KEYS, "every general key has a name");
_Static_assert(sizeof api_keys / sizeof *api_keys == API_KEYS, "every api key has a name");
_Static_assert(sizeof vm_keys / sizeof *vm_keys == VM_KEYS, "every VM key has a name");
_Static_assert(sizeof rule_keys / sizeof *rule_keys == RULE_KEYS, "every rule key has a name");
_Static_assert(sizeof entry_keys / sizeof *entry_keys == ENTRY_KEYS, "every entry key has a name");
_Static_assert(sizeof pci_rule_keys / sizeof *pci_rule_keys == PCI_RULE_KEYS, "every PCI rule key has a name");
_Static_assert(sizeof pci_entry_keys / sizeof *pci_entry_keys == PCI_ENTRY_KEYS, "every PCI entry key has a name");
_Static_assert(sizeof evdev_keys / sizeof *evdev_keys == EVDEV_KEYS, "every key of evdevPassthrough has a name");
_Static_assert(sizeof evdev_rule_keys / sizeof *evdev_rule_keys == EVDEV_RULE_KEYS, "every evdev rule key has a name");
_Static_assert(sizeof evdev_entry_keys / sizeof *evdev_entry_keys == EVDEV_ENTRY_KEYS,
               "every evdev entry key has a name");
_Static_assert(sizeof acpi_rule_keys / sizeof *acpi_rule_keys == ACPI_RULE_KEYS, "every ACPI rule key has a name");
_Static_assert(sizeof acpi_entry_keys / sizeof *acpi_entry_keys == ACPI_ENTRY_KEYS, "every ACPI entry key has a name");
_Static_assert(sizeof class_keys / sizeof *class_keys == CLASS_KEYS, "every class key has a name");
_Static_assert(sizeof client_keys / sizeof *client_keys == CLIENT_KEYS, "every client key has a name");
_Static_assert(sizeof limit_keys / sizeof *limit_keys == LIMIT_KEYS, "every limit key has a name");
_Static_assert(sizeof authorization_keys / sizeof *authorization_keys == AUTHORIZATION_KEYS,
               "every authorization key has a name");
_Static_assert(sizeof connector_keys / sizeof *connector_keys == CONNECTOR_KEYS, "every connector key has a name");
_Static_assert(ENTRY_KEYS <= CONF_KEYS_MAX && API_KEYS <= CONF_KEYS_MAX, "value arrays have room for every key");

static const struct {
    const char *const *keys;
    int n;
    const char *place; /* for "it belongs in ..." */
} objects[OBJ_COUNT] = {
    [OBJ_ROOT] = {root_keys, ROOT_KEYS, "the top level"},
    [OBJ_GENERAL] = {general_keys, GENERAL_KEYS, "'general'"},
    [OBJ_API] = {api_keys, API_KEYS, "'general.api'"},
    [OBJ_VM] = {vm_keys, VM_KEYS, "an element of 'vms'"},
    [OBJ_RULE] = {rule_keys, RULE_KEYS, "a rule of 'usbPassthrough'"},
    [OBJ_ENTRY] = {entry_keys, ENTRY_KEYS, "an 'allow' or 'deny' entry"},
    [OBJ_CLASS] = {class_keys, CLASS_KEYS, "an element of 'allInterfaces'"},
    [OBJ_PCI_RULE] = {pci_rule_keys, PCI_RULE_KEYS, "a rule of 'pciPassthrough'"},
    [OBJ_PCI_ENTRY] = {pci_entry_keys, PCI_ENTRY_KEYS, "an entry of a rule of 'pciPassthrough'"},
    [OBJ_EVDEV] = {evdev_keys, EVDEV_KEYS, "'evdevPassthrough' as an object"},
    [OBJ_EVDEV_RULE] = {evdev_rule_keys, EVDEV_RULE_KEYS, "a rule of 'evdevPassthrough'"},
    [OBJ_EVDEV_ENTRY] = {evdev_entry_keys, EVDEV_ENTRY_KEYS, "an entry of a rule of 'evdevPassthrough'"},
    [OBJ_ACPI_RULE] = {acpi_rule_keys, ACPI_RULE_KEYS, "a rule of 'acpiPassthrough'"},
    [OBJ_ACPI_ENTRY] = {acpi_entry_keys, ACPI_ENTRY_KEYS, "an entry of a rule of 'acpiPassthrough'"},
    [OBJ_CLIENT] = {client_keys, CLIENT_KEYS, "an element of 'general.api.clients'"},
    [OBJ_LIMITS] = {limit_keys, LIMIT_KEYS, "'general.api.limits'"},
    [OBJ_CONNECTOR] = {connector_keys, CONNECTOR_KEYS, "an element of 'general.connectors'"},
    [OBJ_AUTHORIZATION] = {authorization_keys, AUTHORIZATION_KEYS, "'usbAuthorization'"},
};

/* Keys of the schema that this version does not read. */
static const struct {
    enum conf_object o;
    const char *name, *what;
} later_only[] = {
    {OBJ_PCI_RULE, "allowedVms", "nobody chooses a VM for a PCI device: 'targetVm' names it"},
    {OBJ_EVDEV_RULE, "allowedVms", "nobody chooses a VM for an input device: 'targetVm' names it"},
    {OBJ_GENERAL, "modprobe", "drivers are found without it"},
    {OBJ_GENERAL, "modinfo", "drivers are found without it"},
    {OBJ_GENERAL, "crosvm", "crosvm is asked at its control socket, and not run"},
};

/* Names that other tools, older files or the API use for these keys. */
static const struct {
    enum conf_object o;
    const char *wrong, *right;
} aliases[] = {
    {OBJ_ENTRY, "vid", "vendorId"},
    {OBJ_ENTRY, "idVendor", "vendorId"},
    {OBJ_ENTRY, "pid", "productId"},
    {OBJ_ENTRY, "idProduct", "productId"},
    {OBJ_ENTRY, "class", "interfaceClass"},
    {OBJ_ENTRY, "busnum", "bus"},
    {OBJ_ENTRY, "name", "productName"},
    {OBJ_CLASS, "class", "interfaceClass"},
    {OBJ_RULE, "vm", "targetVm"},
    {OBJ_RULE, "vms", "allowedVms"},
    {OBJ_RULE, "ignore", "deny"},
    {OBJ_PCI_RULE, "vm", "targetVm"},
    {OBJ_PCI_RULE, "ignore", "deny"},
    {OBJ_PCI_ENTRY, "vid", "vendorId"},
    {OBJ_PCI_ENTRY, "did", "deviceId"},
    {OBJ_PCI_ENTRY, "pid", "deviceId"},
    {OBJ_PCI_ENTRY, "productId", "deviceId"},
    {OBJ_PCI_ENTRY, "class", "deviceClass"},
    {OBJ_PCI_ENTRY, "interfaceClass", "deviceClass"},
    {OBJ_PCI_ENTRY, "deviceProtocol", "deviceProgIf"},
    {OBJ_EVDEV_RULE, "vm", "targetVm"},
    {OBJ_EVDEV_RULE, "ignore", "deny"},
    {OBJ_EVDEV_ENTRY, "path", "pathTag"},
    {OBJ_EVDEV_ENTRY, "idPathTag", "pathTag"},
    {OBJ_ACPI_RULE, "vm", "targetVm"},
    {OBJ_ACPI_ENTRY, "table", "acpiTable"},
    {OBJ_ACPI_ENTRY, "path", "acpiTable"},
    {OBJ_ACPI_ENTRY, "user", "setUser"},
    {OBJ_ACPI_ENTRY, "group", "setGroup"},
    {OBJ_VM, "qmpSocket", "socket"},
    {OBJ_AUTHORIZATION, "enabled", "enable"},
    {OBJ_AUTHORIZATION, "allow", "hostAllow"},
    {OBJ_VM, "path", "socket"},
};

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

int keys_find(const struct json *j, enum conf_object o, int key_token) {
    for (int i = 0; i < objects[o].n; i++) {
        if (json_string_is(j, key_token, objects[o].keys[i]))
            return i;
    }
    return -1;
}

const char *keys_name(enum conf_object o, int index) {
    return objects[o].keys[index];
}

const char *conf_field_name(int bit) {
    return objects[OBJ_ENTRY].keys[bit];
}

const char *conf_pci_field_name(int bit) {
    return objects[OBJ_PCI_ENTRY].keys[bit];
}

const char *keys_later_only(const struct json *j, enum conf_object o, int key_token, uint32_t *bit) {
    for (int i = 0; i < COUNT(later_only); i++) {
        if (later_only[i].o == o && json_string_is(j, key_token, later_only[i].name)) {
            *bit = UINT32_C(1) << i;
            return later_only[i].what;
        }
    }
    return NULL;
}

static const char *alias(enum conf_object o, const char *key) {
    for (int i = 0; i < COUNT(aliases); i++) {
        if (aliases[i].o == o && strcmp(key, aliases[i].wrong) == 0)
            return aliases[i].right;
    }
    return NULL;
}

static int object_of(const char *key) {
    for (int o = 0; o < OBJ_COUNT; o++) {
        for (int i = 0; i < objects[o].n; i++) {
            if (strcmp(key, objects[o].keys[i]) == 0)
                return o;
        }
    }
    return -1;
}

static const char *nearest(enum conf_object o, const char *key) {
    size_t len = strlen(key);
    if (strchr("_#/$-.", key[0]) != NULL) /* also "": people put one of these before what they take out */
        return NULL;
    /* A third of the letters, three at most, may be typing errors; more is another word. */
    int best = len < 3 ? 0 : len < 6 ? 1 : len < 9 ? 2 : 3;
    const char *found = NULL;
    VH_ASSERT(len <= 63); /* the bound of str_distance(); report_quote() has shortened the key */
    for (int i = 0; i < objects[o].n && best >= 0; i++) {
        size_t other = strlen(objects[o].keys[i]);
        if ((len > other ? len - other : other - len) > (size_t)best)
            continue; /* saves time: files may have many unknown keys */
        if (str_distance(key, objects[o].keys[i], best) <= best) {
            found = objects[o].keys[i];
            best = str_distance(key, found, best) - 1; /* from now on only a closer one */
        }
    }
    return found;
}

bool keys_decide(enum conf_object o) {
    switch (o) {
    case OBJ_RULE:
    case OBJ_ENTRY:
    case OBJ_CLASS:
    case OBJ_PCI_RULE:
    case OBJ_PCI_ENTRY:
    case OBJ_EVDEV:
    case OBJ_EVDEV_RULE:
    case OBJ_EVDEV_ENTRY:
    case OBJ_ACPI_RULE:
    case OBJ_ACPI_ENTRY:
    case OBJ_AUTHORIZATION:
        return true;
    default:
        return false;
    }
}

bool keys_hint(enum conf_object o, const char *key, char *dst, size_t cap) {
    const char *right = alias(o, key);
    int home = right == NULL ? object_of(key) : -1;
    bool fits = true, named = strcmp(key, "name") == 0; /* of an entry: often somebody's remark */
    dst[0] = '\0';
    /* "ports" in an entry may be a slip, whatever other object has that key. */
    if (right == NULL && (home < 0 || (keys_decide(o) && !keys_decide((enum conf_object)home))))
        right = nearest(o, key);
    if (right != NULL)
        fits = str_fmt(dst, cap, ": did you mean '%s'?", right);
    else if (home >= 0)
        fits = str_fmt(dst, cap, ": it belongs in %s", objects[home].place);
    VH_ASSERT(fits); /* only names from these tables */
    if (o == OBJ_ROOT)
        return right == root_keys[ROOT_USB] || right == root_keys[ROOT_PCI] || right == root_keys[ROOT_EVDEV] ||
               right == root_keys[ROOT_ACPI] || right == root_keys[ROOT_AUTHORIZATION] || right == root_keys[ROOT_VMS];
    if (!keys_decide(o) || named)
        return false;
    return right != NULL ? strcmp(right, "description") != 0 : home >= 0 && keys_decide((enum conf_object)home);
}

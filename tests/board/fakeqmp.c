/*
 * fakeqmp.c - a QMP monitor for boards that have neither Python nor QEMU: takes devices as QEMU was seen to take them,
 * and says on stdout what it took. What is passed as a descriptor is read as usbfs gives it: a device descriptor of 18
 * bytes.
 *
 * Serves one client at a time, as QEMU does. A command is found by its text, since one daemon alone talks to it. Prints
 * "up", "connected", "added ID vid:pid" (or "added ID path"), "removed ID", "gone"; exits 1 on what it does not
 * understand.
 *
 * usage: fakeqmp SOCKET
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAX_DEVICES = 32, MAX_NAME = 64, MAX_TEXT = 16384 };

static struct device {
    char id[MAX_NAME];
    int fd; /* the one that came with add-fd, as QEMU keeps it; -1: by path */
} devices[MAX_DEVICES];
static int passed = -1; /* the descriptor that came last and is not used yet */
static int client = -1;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void say(const char *what, const char *id, const char *more) {
    printf("%s%s%s%s%s\n", what, id[0] != '\0' ? " " : "", id, more[0] != '\0' ? " " : "", more);
    if (fflush(stdout) != 0)
        exit(1);
}

static void send_text(const char *text) {
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t n = send(client, text, len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the end shows at the next read */
        text += n;
        len -= (size_t)n;
    }
}

/* The string or number after "key": in a command; false if there is none. */
static bool member(const char *command, const char *key, char value[MAX_NAME]) {
    char quoted[MAX_NAME];
    (void)snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *s = strstr(command, quoted);
    if (s == NULL)
        return false;
    s += strlen(quoted);
    s += strspn(s, " ");
    bool string = *s == '"';
    s += string;
    size_t n = strcspn(s, string ? "\"" : ",} ");
    if (n >= MAX_NAME)
        return false;
    memcpy(value, s, n);
    value[n] = '\0';
    return true;
}

static struct device *find(const char *id) {
    for (int i = 0; i < MAX_DEVICES; i++) {
        if (strcmp(devices[i].id, id) == 0)
            return &devices[i];
    }
    return NULL;
}

static const char *add(const char *command, char id[MAX_NAME]) {
    uint8_t desc[18];
    char what[MAX_NAME] = "path";
    if (find(id) != NULL)
        return "Duplicate device ID";
    struct device *d = find("");
    if (d == NULL)
        return "no room";
    d->fd = -1;
    if (strstr(command, "\"hostdevice\"") != NULL) {
        if (passed < 0 || lseek(passed, 0, SEEK_SET) != 0 || read(passed, desc, sizeof desc) != (ssize_t)sizeof desc)
            return "failed to open the device";
        d->fd = passed;
        passed = -1;
        (void)snprintf(what, sizeof what, "%02x%02x:%02x%02x", desc[9], desc[8], desc[11], desc[10]);
    }
    memcpy(d->id, id, MAX_NAME);
    say("added", id, what);
    return NULL;
}

static const char *del(const char *id) {
    struct device *d = find(id);
    if (d == NULL)
        return "not found";
    if (d->fd >= 0)
        (void)close(d->fd);
    d->id[0] = '\0';
    say("removed", id, "");
    return NULL;
}

static void list(char *out, size_t cap) {
    size_t len = (size_t)snprintf(out, cap, "[{\"name\": \"type\", \"type\": \"string\"}");
    for (int i = 0; i < MAX_DEVICES; i++) {
        if (devices[i].id[0] != '\0')
            len += (size_t)snprintf(out + len, cap - len, ", {\"name\": \"%s\", \"type\": \"child<usb-host>\"}",
                                    devices[i].id);
    }
    (void)snprintf(out + len, cap - len, "]");
}

/* The command's own id is "SERIAL.STEP", a device's begins with a letter. */
static void ids(const char *command, char id[MAX_NAME], char device[MAX_NAME]) {
    id[0] = device[0] = '\0';
    for (const char *s = command; (s = strstr(s, "\"id\":")) != NULL; s++) {
        char value[MAX_NAME];
        if (member(s, "id", value))
            memcpy(value[0] >= '0' && value[0] <= '9' ? id : device, value, MAX_NAME);
    }
}

static void execute(const char *command) {
    static char result[MAX_TEXT / 2], reply[MAX_TEXT];
    char name[MAX_NAME], id[MAX_NAME], device[MAX_NAME];
    const char *error = NULL;
    if (!member(command, "execute", name))
        die("fakeqmp: no command");
    ids(command, id, device);
    (void)strcpy(result, "{}");
    if (strcmp(name, "device_add") == 0)
        error = add(command, device);
    else if (strcmp(name, "device_del") == 0)
        error = del(device);
    else if (strcmp(name, "qom-list") == 0 && strstr(command, "peripheral-anon") == NULL)
        list(result, sizeof result);
    else if (strcmp(name, "qom-list") == 0 || strcmp(name, "query-fdsets") == 0)
        (void)strcpy(result, "[]");
    else if (strcmp(name, "device-list-properties") == 0)
        (void)strcpy(result, "[{\"name\": \"hostdevice\", \"type\": \"str\"}]");
    else if (strcmp(name, "add-fd") == 0)
        (void)strcpy(result, "{\"fd\": 9, \"fdset-id\": 0}");
    else if (strcmp(name, "qmp_capabilities") != 0 && strcmp(name, "remove-fd") != 0)
        error = "The command has not been found";
    if (error != NULL)
        (void)snprintf(reply, sizeof reply, "{\"error\": {\"class\": \"%s\", \"desc\": \"%s\"}, \"id\": \"%s\"}\r\n",
                       strcmp(error, "not found") == 0 ? "DeviceNotFound" : "GenericError", error, id);
    else
        (void)snprintf(reply, sizeof reply, "{\"return\": %s, \"id\": \"%s\"}\r\n", result, id);
    send_text(reply);
}

/* Reads what is there; a descriptor that comes along is kept. 0 at the end. */
static ssize_t receive(char *at, size_t room) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {at, room};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(client, &m, MSG_CMSG_CLOEXEC);
    struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (c != NULL && c->cmsg_type == SCM_RIGHTS) {
        if (passed >= 0)
            (void)close(passed);
        memcpy(&passed, CMSG_DATA(c), sizeof passed);
    }
    return n > 0 ? n : 0;
}

static void talk(void) {
    static char text[MAX_TEXT];
    size_t len = 0;
    send_text(
        "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}}, \"capabilities\": []}}\r\n");
    for (;;) {
        ssize_t n = receive(text + len, sizeof text - 1 - len);
        if (n == 0)
            return;
        len += (size_t)n;
        text[len] = '\0';
        char *line = text, *end;
        while ((end = strchr(line, '\n')) != NULL) {
            *end = '\0';
            execute(line);
            line = end + 1;
        }
        len = strlen(line);
        memmove(text, line, len + 1);
    }
}

int main(int argc, char **argv) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (argc != 2 || strlen(argv[1]) >= sizeof a.sun_path) {
        fputs("usage: fakeqmp SOCKET\n", stderr);
        return 2;
    }
    (void)strcpy(a.sun_path, argv[1]);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof a) != 0 || listen(listener, 1) != 0)
        die(argv[1]);
    say("up", "", "");
    for (;;) {
        client = accept(listener, NULL, NULL);
        if (client < 0)
            die("accept");
        say("connected", "", "");
        talk();
        (void)close(client);
        say("gone", "", "");
    }
}

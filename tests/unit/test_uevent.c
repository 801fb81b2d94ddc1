/*
 * test_uevent.c - uevent.c: messages as the kernel writes them, and messages that it never writes, which are refused.
 */
#include "codec/uevent.h"
#include "test.h"

#include <stdint.h>
#include <stdlib.h>

static struct uevent ev;
static char *held;

/* From a copy of exactly that size: reading past the end is seen. */
static bool parse_bytes(const char *msg, size_t len) {
    free(held);
    held = malloc(len > 0 ? len : 1);
    if (held == NULL)
        exit(1);
    memcpy(held, msg, len);
    memset(&ev, 0xa5, sizeof ev);
    return uevent_parse(&ev, held, len);
}

/* A literal's own NUL ends the last string. */
#define PARSE(literal) parse_bytes(literal, sizeof(literal))

#define PATH "/devices/pci0000:00/0000:00:14.0/usb1/1-2"
#define HEAD "add@" PATH "\0ACTION=add\0DEVPATH=" PATH "\0"

static void a_plug_as_the_kernel_tells_it(void) {
    CHECK(PARSE(HEAD "SUBSYSTEM=usb\0MAJOR=189\0MINOR=6\0DEVNAME=bus/usb/001/007\0DEVTYPE=usb_device\0"
                     "PRODUCT=46d/c31c/6400\0TYPE=0/0/0\0BUSNUM=001\0DEVNUM=007\0SEQNUM=4711"));
    CHECK_STR(ev.action, "add");
    CHECK_STR(ev.devpath, PATH);
    CHECK_STR(ev.subsystem, "usb");
    CHECK_STR(ev.devtype, "usb_device");
    CHECK_STR(ev.devname, "bus/usb/001/007");
    CHECK_STR(ev.driver, "");
    CHECK_INT(ev.seqnum, 4711);
    CHECK(!ev.synthetic);
    CHECK(ev.action > held && ev.devname > ev.action); /* they point into the message */
}

static void a_bind_names_the_driver(void) {
    CHECK(
        PARSE("bind@" PATH "\0ACTION=bind\0DEVPATH=" PATH "\0SUBSYSTEM=usb\0DEVTYPE=usb_device\0DRIVER=usb\0SEQNUM=1"));
    CHECK_STR(ev.action, "bind");
    CHECK_STR(ev.driver, "usb");
    CHECK_STR(ev.devname, "");
}

static void the_order_of_keys_does_not_matter(void) {
    CHECK(PARSE("remove@/a\0SEQNUM=2\0SUBSYSTEM=block\0X=\0DEVPATH=/a\0ACTION=remove"));
    CHECK_STR(ev.action, "remove");
    CHECK_STR(ev.subsystem, "block");
}

static void a_written_uevent_is_synthetic(void) {
    CHECK(PARSE(HEAD "SUBSYSTEM=usb\0SYNTH_UUID=0\0SEQNUM=9") && ev.synthetic);
    CHECK(PARSE(HEAD "SUBSYSTEM=usb\0SYNTH_UUID=fe4d7c9d\0SYNTH_ARG_A=1\0SEQNUM=9") && ev.synthetic);
    CHECK(PARSE(HEAD "SUBSYSTEM=usb\0SYNTH_UUIDS=0\0SEQNUM=9") && !ev.synthetic);
}

static void keys_that_only_begin_like_known_ones_are_others(void) {
    CHECK(PARSE(HEAD "SUBSYSTEM=usb\0DRIVERS=x\0DEVTYPEX=y\0ACTIONS=z\0DRIVE=w\0SEQNUMBER=5\0SEQNUM=3"));
    CHECK_STR(ev.driver, "");
    CHECK_STR(ev.devtype, "");
    CHECK_INT(ev.seqnum, 3);
}

static void values_may_hold_equals_signs_or_nothing(void) {
    CHECK(PARSE(HEAD "SUBSYSTEM=a=b\0DRIVER=\0MODALIAS==\0SEQNUM=3"));
    CHECK_STR(ev.subsystem, "a=b");
    CHECK_STR(ev.driver, "");
}

static void numbers_go_to_64_bits(void) {
    CHECK(PARSE(HEAD "SUBSYSTEM=usb\0SEQNUM=0") && ev.seqnum == 0);
    CHECK(PARSE(HEAD "SUBSYSTEM=usb\0SEQNUM=18446744073709551615") && ev.seqnum == UINT64_MAX);
    CHECK(!PARSE(HEAD "SUBSYSTEM=usb\0SEQNUM=18446744073709551616"));
    CHECK(!PARSE(HEAD "SUBSYSTEM=usb\0SEQNUM=-1"));
    CHECK(!PARSE(HEAD "SUBSYSTEM=usb\0SEQNUM=0x1"));
    CHECK(!PARSE(HEAD "SUBSYSTEM=usb\0SEQNUM= 1"));
    CHECK(!PARSE(HEAD "SUBSYSTEM=usb\0SEQNUM=1\n"));
    CHECK(!PARSE(HEAD "SUBSYSTEM=usb\0SEQNUM="));
}

static void what_is_missing_is_missed(void) {
    CHECK(PARSE(HEAD "SUBSYSTEM=usb\0SEQNUM=1"));
    CHECK(!PARSE(HEAD "SUBSYSTEM=usb"));
    CHECK(!PARSE("add@/a\0DEVPATH=/a\0SUBSYSTEM=usb\0SEQNUM=1"));
    CHECK(!PARSE("add@/a\0ACTION=add\0SUBSYSTEM=usb\0SEQNUM=1"));
    CHECK(!PARSE("ACTION=add\0DEVPATH=/a\0SUBSYSTEM=usb\0SEQNUM=1"));
    CHECK(!PARSE("@/a\0ACTION=\0DEVPATH=/a\0SUBSYSTEM=usb\0SEQNUM=1"));
    CHECK(!PARSE("add@\0ACTION=add\0DEVPATH=\0SUBSYSTEM=usb\0SEQNUM=1"));
    CHECK(!PARSE("add@/a"));
}

static void the_subsystem_is_never_missing(void) {
    CHECK(!PARSE("add@/a\0ACTION=add\0DEVPATH=/a\0SEQNUM=1"));
}

static void the_header_must_say_what_the_keys_say(void) {
    CHECK(!PARSE("remove@/a\0ACTION=add\0DEVPATH=/a\0SUBSYSTEM=usb\0SEQNUM=1"));
    CHECK(!PARSE("add@/b\0ACTION=add\0DEVPATH=/a\0SUBSYSTEM=usb\0SEQNUM=1"));
    CHECK(!PARSE("add@/ab\0ACTION=add\0DEVPATH=/a\0SUBSYSTEM=usb\0SEQNUM=1"));
    CHECK(!PARSE("add@/a\0ACTION=add\0DEVPATH=/ab\0SUBSYSTEM=usb\0SEQNUM=1"));
    CHECK(!PARSE("add/a\0ACTION=add\0DEVPATH=/a\0SUBSYSTEM=usb\0SEQNUM=1"));
    CHECK(!PARSE("add@@/a\0ACTION=add\0DEVPATH=/a\0SUBSYSTEM=usb\0SEQNUM=1"));
    CHECK(!PARSE("ad@/a\0ACTION=add\0DEVPATH=/a\0SUBSYSTEM=usb\0SEQNUM=1"));
    CHECK(!PARSE("\0ACTION=add\0DEVPATH=/a\0SUBSYSTEM=usb\0SEQNUM=1"));
    CHECK(!PARSE("add@a\0ACTION=add\0DEVPATH=a\0SUBSYSTEM=usb\0SEQNUM=1")); /* not a path */
}

static void nothing_is_said_twice(void) {
    CHECK(!PARSE(HEAD "SUBSYSTEM=usb\0SEQNUM=1\0SEQNUM=1"));
    CHECK(!PARSE(HEAD "SUBSYSTEM=usb\0SEQNUM=1\0SEQNUM=2"));
    CHECK(!PARSE(HEAD "SUBSYSTEM=usb\0SUBSYSTEM=net\0SEQNUM=1"));
    CHECK(!PARSE(HEAD "SUBSYSTEM=usb\0ACTION=add\0SEQNUM=1"));
    CHECK(!PARSE(HEAD "SUBSYSTEM=usb\0DEVPATH=" PATH "\0SEQNUM=1"));
    CHECK(!PARSE(HEAD "SUBSYSTEM=usb\0DRIVER=a\0DRIVER=\0SEQNUM=1"));
    CHECK(!PARSE(HEAD "SUBSYSTEM=usb\0DRIVER=\0DRIVER=a\0SEQNUM=1"));
    CHECK(PARSE(HEAD "SUBSYSTEM=usb\0X=1\0X=2\0SEQNUM=1")); /* of no interest */
}

static void what_is_no_key_and_value_is_refused(void) {
    CHECK(!PARSE(HEAD "SUBSYSTEM=usb\0SEQNUM=1\0nonsense"));
    CHECK(!PARSE(HEAD "SUBSYSTEM=usb\0=1\0SEQNUM=1"));
    CHECK(!PARSE(HEAD "SUBSYSTEM=usb\0\0SEQNUM=1"));
    CHECK(!PARSE(HEAD "SUBSYSTEM=usb\0SEQNUM=1\0"));
}

static void udevs_own_messages_are_refused(void) {
    CHECK(!PARSE("libudev\0\xfe\xed\xca\xfe(\0\0\0(\0\0\0\x90\0\0\0ACTION=add\0DEVPATH=/a\0SUBSYSTEM=usb\0SEQNUM=1"));
}

static void every_truncation_is_refused(void) {
    static const char msg[] = HEAD "SUBSYSTEM=usb\0DEVNAME=bus/usb/001/007\0DEVTYPE=usb_device\0SEQNUM=4711";
    CHECK(parse_bytes(msg, sizeof msg));
    for (size_t n = 0; n < sizeof msg; n++)
        CHECK(!parse_bytes(msg, n)); /* the number comes last */
}

static bool is_below(const char *msg, size_t len) {
    return uevent_is_below(msg, len, "/usb");
}

/* By the header alone: what the keys say is for the parser. */
static void what_is_elsewhere_is_passed_over(void) {
    static const char usb[] = "add@/devices/pci/usb1/1-2\0SEQNUM=1", hub[] = "add@/devices/usb1",
                      module[] = "add@/module/snd_usb_audio\0DEVPATH=/devices/usb1",
                      open[] = {'a', '@', '/', 'u', 's', 'b'};
    CHECK(is_below(usb, sizeof usb));
    CHECK(is_below(hub, sizeof hub));
    CHECK(!is_below(module, sizeof module));
    CHECK(!is_below(usb, 0));
    CHECK(!is_below(open, sizeof open)); /* no NUL at its end */
}

static void names_are_the_last_part_of_a_path(void) {
    CHECK_STR(uevent_name("/devices/usb1/1-2/1-2.3"), "1-2.3");
    CHECK_STR(uevent_name("/devices/usb1/1-2/1-2:1.0"), "1-2:1.0");
    CHECK_STR(uevent_name("1-2"), "1-2");
    CHECK_STR(uevent_name("/a/"), "");
    CHECK_STR(uevent_name("/"), "");
    CHECK_STR(uevent_name(""), "");
}

int main(void) {
    RUN(a_plug_as_the_kernel_tells_it);
    RUN(a_bind_names_the_driver);
    RUN(the_order_of_keys_does_not_matter);
    RUN(a_written_uevent_is_synthetic);
    RUN(keys_that_only_begin_like_known_ones_are_others);
    RUN(values_may_hold_equals_signs_or_nothing);
    RUN(numbers_go_to_64_bits);
    RUN(what_is_missing_is_missed);
    RUN(the_subsystem_is_never_missing);
    RUN(the_header_must_say_what_the_keys_say);
    RUN(nothing_is_said_twice);
    RUN(what_is_no_key_and_value_is_refused);
    RUN(udevs_own_messages_are_refused);
    RUN(every_truncation_is_refused);
    RUN(what_is_elsewhere_is_passed_over);
    RUN(names_are_the_last_part_of_a_path);
    free(held);
    TEST_MAIN_END;
}

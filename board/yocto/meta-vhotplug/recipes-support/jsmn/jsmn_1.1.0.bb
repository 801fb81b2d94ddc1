SUMMARY = "JSON tokenizer in one header"
DESCRIPTION = "A minimalistic JSON tokenizer; an application includes its one header, there is no library."
HOMEPAGE = "https://github.com/zserge/jsmn"
BUGTRACKER = "https://github.com/zserge/jsmn/issues"
SECTION = "libs"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://LICENSE;md5=5adc94605a1f7a797a9a834adbe335e3"
CVE_PRODUCT = "jsmn"

# destsuffix: where S is by default, in releases with and without UNPACKDIR. The revision is the tag v1.1.0.
SRC_URI = "git://github.com/zserge/jsmn.git;protocol=https;branch=master;destsuffix=${BP}"
SRCREV = "fdcef3ebf886fa210d14956d3c068a653e76a24e"

inherit allarch

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    install -D -m 0644 ${S}/jsmn.h ${D}${includedir}/jsmn.h
}

# A header alone: the development package is all there is.
ALLOW_EMPTY:${PN} = "1"

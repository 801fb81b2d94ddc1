SUMMARY = "JSON tokenizer in one header"
HOMEPAGE = "https://github.com/zserge/jsmn"
SECTION = "libs"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://LICENSE;md5=5adc94605a1f7a797a9a834adbe335e3"

SRC_URI = "https://github.com/zserge/jsmn/archive/refs/tags/v${PV}.tar.gz;downloadfilename=${BP}.tar.gz"
SRC_URI[sha256sum] = "5f0913a10657fe7ec8d5794ccf00a01000e3e1f2f1e1f143c34a0f7b47edcb38"

inherit allarch

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    install -D -m 0644 ${S}/jsmn.h ${D}${includedir}/jsmn.h
}

# A header alone: the development package is all there is.
ALLOW_EMPTY:${PN} = "1"

FILESEXTRAPATHS:prepend := "${THISDIR}/files:"
SRC_URI += "file://vhotplug.scc file://vhotplug.cfg"

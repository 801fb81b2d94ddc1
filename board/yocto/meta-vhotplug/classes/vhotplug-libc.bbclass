# For what has the program in it: one static file with a malloc of its own, which only musl can be linked into. With another C
# library the recipe is left out, unless the layer's multiconfig builds the program.

inherit features_check

REQUIRED_DISTRO_FEATURES = "vhotplug"

python () {
    libc = d.getVar("TCLIBC")
    if libc == "musl":
        return
    if libc != "glibc" or "vhotplug-musl" not in (d.getVar("BBMULTICONFIG") or "").split():
        raise bb.parse.SkipRecipe('needs TCLIBC = "musl", or glibc and BBMULTICONFIG = "vhotplug-musl"')
}

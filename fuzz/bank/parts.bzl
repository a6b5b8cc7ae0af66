"""What a program with a patched engine is linked from: the sources it was made of and the libraries it links."""

_Sources = provider(fields = ["files"])

def _sources_impl(target, ctx):
    files = []
    for attr in ["srcs", "hdrs"]:
        files += getattr(ctx.rule.files, attr, [])
    below = [dep[_Sources].files for dep in getattr(ctx.rule.attr, "deps", []) if _Sources in dep]
    libs = [target[CcInfo].linking_context] if CcInfo in target else []
    for dep in getattr(ctx.rule.attr, "deps", []):
        if ctx.rule.kind == "cc_binary" and CcInfo in dep:
            libs.append(dep[CcInfo].linking_context)
    return [_Sources(files = depset(files, transitive = below)), _Link(contexts = libs)]

_Link = provider(fields = ["contexts"])

_sources = aspect(implementation = _sources_impl, attr_aspects = ["deps"])

def _parts_impl(ctx):
    archives, flags, whole = [], [], []
    for context in ctx.attr.binary[_Link].contexts:
        for given in context.linker_inputs.to_list():
            flags += [f for f in given.user_link_flags if f not in flags]
            for lib in given.libraries:
                archive = lib.static_library or lib.pic_static_library
                if archive and archive not in archives:
                    archives.append(archive)
                    if lib.alwayslink:
                        whole.append(archive)
    lines = []
    for archive in archives:
        lines.append("%s %s" % ("whole" if archive in whole else "lib", archive.short_path))
    lines += ["flag " + f for f in flags]
    link = ctx.actions.declare_file(ctx.label.name + ".link")
    ctx.actions.write(link, "\n".join(lines) + "\n")
    files = depset(archives + [link], transitive = [ctx.attr.binary[_Sources].files])
    return [DefaultInfo(files = files, runfiles = ctx.runfiles(transitive_files = files))]

bank_parts = rule(
    doc = """`name`.link names the libraries of `binary` in the order of the link, and its flags; they and all sources are
runfiles of whoever has this among its data.""",
    implementation = _parts_impl,
    attrs = {"binary": attr.label(aspects = [_sources])},
)

"""What programs with a patched engine are linked from: their sources, the sources below them, and the libraries they link."""

_Parts = provider(fields = ["own", "sources", "contexts"])

def _parts_aspect_impl(target, ctx):
    own = []
    for attr in ["srcs", "hdrs"]:
        own += getattr(ctx.rule.files, attr, [])
    deps = [dep for dep in getattr(ctx.rule.attr, "deps", []) if CcInfo in dep]
    return [_Parts(
        own = own,
        sources = depset(own, transitive = [dep[_Parts].sources for dep in deps]),
        contexts = [dep[CcInfo].linking_context for dep in deps],
    )]

_parts_aspect = aspect(implementation = _parts_aspect_impl, attr_aspects = ["deps"])

def _link(ctx, program):
    """The .link file of a program, and all that it names."""
    archives, flags, whole = [], [], []
    for context in program[_Parts].contexts:
        for given in context.linker_inputs.to_list():
            flags += [f for f in given.user_link_flags if f not in flags]
            for lib in given.libraries:
                archive = lib.static_library or lib.pic_static_library
                if archive and archive not in archives:
                    archives.append(archive)
                    if lib.alwayslink:
                        whole.append(archive)
    lines = ["src " + f.short_path for f in program[_Parts].own if f.extension == "c"]
    lines += ["%s %s" % ("whole" if a in whole else "lib", a.short_path) for a in archives]
    lines += ["flag " + f for f in flags]
    link = ctx.actions.declare_file("%s/%s/%s.link" % (ctx.label.name, program.label.package, program.label.name))
    ctx.actions.write(link, "\n".join(lines) + "\n")
    return depset(archives + [link], transitive = [program[_Parts].sources])

def _parts_impl(ctx):
    files = depset(transitive = [_link(ctx, program) for program in ctx.attr.programs])
    return [DefaultInfo(files = files, runfiles = ctx.runfiles(transitive_files = files))]

bank_parts = rule(
    doc = """`name`/PACKAGE/PROGRAM.link names the sources of a program of its own, the libraries in the order of the link,
and the link's flags; they and all sources are runfiles of whoever has this among its data.""",
    implementation = _parts_impl,
    attrs = {"programs": attr.label_list(aspects = [_parts_aspect])},
)

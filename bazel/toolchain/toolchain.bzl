"""Our C toolchains: Debian's gcc, clang and AFL++'s compiler, all as they lie in /usr/bin."""

load("@bazel_tools//tools/cpp:unix_cc_toolchain_config.bzl", "cc_toolchain_config")
load("@rules_cc//cc:defs.bzl", "cc_toolchain")

# Where compilers and libc keep their own headers. Whole trees, so that no version number stands here.
_SYSTEM_DIRS = ["/usr/include", "/usr/local/include", "/usr/lib"]

def augur_toolchain(name, compiler, program, module_map = None):
    """A C toolchain.

    Args:
      name: of the cc_toolchain; `name + "_config"` is its configuration.
      compiler: what --compiler says; "clang" has the layering check.
      program: the compiler, which also links.
      module_map: which headers are the system's; the layering check needs it.
    """
    native.filegroup(name = name + "_files", srcs = [module_map] if module_map else [])
    cc_toolchain_config(
        name = name + "_config",
        cpu = "k8",
        compiler = compiler,
        toolchain_identifier = name,
        host_system_name = "x86_64-linux-gnu",
        target_system_name = "x86_64-linux-gnu",
        target_libc = "glibc",
        abi_version = "gnu",
        abi_libc_version = "glibc",
        cxx_builtin_include_directories = _SYSTEM_DIRS,
        tool_paths = {
            "ar": "/usr/bin/ar",
            "cpp": "/usr/bin/cpp",
            "dwp": "/usr/bin/dwp",
            "gcc": program,
            "gcov": "/usr/bin/gcov",
            "ld": "/usr/bin/ld",
            "llvm-cov": "/usr/bin/llvm-cov",
            "nm": "/usr/bin/nm",
            "objcopy": "/usr/bin/objcopy",
            "objdump": "/usr/bin/objdump",
            "strip": "/usr/bin/strip",
        },
        # Warnings and the language are the project's business (defs.bzl). Never -DNDEBUG: our asserts are always on.
        compile_flags = ["-fstack-protector-strong", "-fno-omit-frame-pointer"],
        opt_compile_flags = ["-O2", "-g", "-ffunction-sections", "-fdata-sections"],
        dbg_compile_flags = ["-O0", "-g"],
        link_flags = ["-Wl,-z,relro,-z,now", "-Wl,--build-id=sha1"],
        opt_link_flags = ["-Wl,--gc-sections"],
        # The same sources give the same bytes.
        unfiltered_compile_flags = [
            "-no-canonical-prefixes",
            "-Wno-builtin-macro-redefined",
            "-D__DATE__=\"redacted\"",
            "-D__TIMESTAMP__=\"redacted\"",
            "-D__TIME__=\"redacted\"",
        ],
    )
    cc_toolchain(
        name = name,
        toolchain_config = ":" + name + "_config",
        toolchain_identifier = name,
        all_files = ":" + name + "_files",
        ar_files = ":" + name + "_files",
        as_files = ":" + name + "_files",
        compiler_files = ":" + name + "_files",
        dwp_files = ":" + name + "_files",
        linker_files = ":" + name + "_files",
        objcopy_files = ":" + name + "_files",
        strip_files = ":" + name + "_files",
        # afl-clang-fast reads its own options only from the command line.
        supports_param_files = 0 if compiler == "afl" else 1,
        module_map = module_map,
    )

# C headers only: the many thousand C++ ones would cost every compilation time, and nothing of ours includes them.
_LIST_HEADERS = """
out=$1
{
    echo 'module "crosstool" [system] {'
    find -L /usr/include /usr/local/include "$(clang -print-resource-dir)/include" \
            \\( -name 'c++' -o -name boost -o -name 'llvm*' -o -name 'clang*' -o -name python* \\) -prune -o \
            -type f -name '*.h' -print 2>/dev/null |
        LC_ALL=C sort -u | sed 's/.*/  textual header "&"/'
    echo '}'
} >"$out"
"""

def _system_module_map_impl(ctx):
    out = ctx.actions.declare_file(ctx.label.name + ".cppmap")
    ctx.actions.run_shell(
        outputs = [out],
        arguments = [out.path],
        command = _LIST_HEADERS,
        mnemonic = "SystemHeaders",
        use_default_shell_env = True,
        progress_message = "Listing the system's C headers",
    )
    return [DefaultInfo(files = depset([out]))]

system_module_map = rule(
    implementation = _system_module_map_impl,
    doc = "The module map of the system's C headers. Listed once; `bazel clean` after installing a library's headers.",
)

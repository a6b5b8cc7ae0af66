"""Stands in for rules_proto, which Bazel's own tools load even in a workspace without protocol buffers."""

proto_lang_toolchain = native.proto_lang_toolchain
proto_library = native.proto_library

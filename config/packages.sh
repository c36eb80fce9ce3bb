# What each part of ./config/dev needs from Debian 12. Sourced by config/dev; name by name in arrays.

# The command, and everything that is configured with it.
packages_build=(
  build-essential g++ cmake ninja-build ccache pkg-config git
  libboost1.81-dev libtbb-dev libzstd-dev libspdlog-dev libcli11-dev nlohmann-json3-dev
  libtomlplusplus-dev libssl-dev libxxhash-dev catch2 python3
)
# The tests check reports against their JSON Schema, and count instructions.
packages_test=("${packages_build[@]}" python3-jsonschema valgrind)
packages_lint=("${packages_build[@]}" clang-format clang-tidy)
packages_bench=("${packages_build[@]}" libbenchmark-dev zstd iproute2)
# What transfers are compared with.
packages_compare=(iperf3 mbuffer socat qemu-system-x86)
# The virtual machine of tests/vm, and what its modules are compiled with. The kernel itself and all
# that runs in the machine are downloaded below build/, not installed.
packages_vm=("${packages_build[@]}" qemu-system-x86 gcc-12 make bc binutils xz-utils)
packages_fuzz=("${packages_build[@]}" clang libclang-rt-14-dev)

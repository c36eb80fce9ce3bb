#include "engine/devices/vfio/vfio_candidates.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAliases =
    "# Aliases extracted from modules themselves.\n"
    "alias pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_core\n"
    "alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci\n"
    "alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci\n";

/// A host's sysfs.
class Sysfs {
  public:
    fs::path function(const std::string& address, const std::string& ids) const {
        const fs::path path = folder_.path() / "bus/pci/devices" / address;
        fs::create_directories(path);
        write_text(path / "modalias", "pci:" + ids + "sv00sd00bc02sc00i00\n");
        return path;
    }
    void bind(const fs::path& device, const std::string& driver) const {
        fs::create_directory_symlink("../drivers/" + driver, device / "driver");
    }
    [[nodiscard]] fs::path at(const std::string& path) const { return folder_.path() / path; }
    [[nodiscard]] std::vector<VfioCandidate> candidates() const {
        return find_vfio_candidates(kAliases, {.sys = folder_.path(), .dev = {}});
    }

  private:
    TemporaryFolder folder_;
};

TEST_CASE("a function for which the kernel has a VFIO driver is named with the command", "[vfio]") {
    const Sysfs sysfs;
    sysfs.bind(sysfs.function("0000:3b:00.2", "v000015B3d0000101E"), "mlx5_core");
    sysfs.bind(sysfs.function("0000:00:1f.2", "v00008086d00002922"), "ahci");
    const auto found = sysfs.candidates();
    REQUIRE(found.size() == 1);
    CHECK(found[0].name == "0000:3b:00.2");
    CHECK(found[0].driver == "mlx5_core");
    CHECK(found[0].suggested == "mlx5_vfio_pci");
    CHECK_FALSE(found[0].ready);
    CHECK(found[0].next == bind_command("0000:3b:00.2", "mlx5_vfio_pci"));
}

TEST_CASE("a function that a VFIO driver has is ready, whichever driver it is", "[vfio]") {
    const Sysfs sysfs;
    const fs::path function = sysfs.function("0000:00:1f.2", "v00008086d00002922");
    sysfs.bind(function, "vfio-pci");
    fs::create_directories(function / "vfio-dev/vfio0");
    const auto found = sysfs.candidates();
    REQUIRE(found.size() == 1);
    CHECK(found[0].ready);
    CHECK(found[0].suggested.empty());
    CHECK(found[0].next == "vfio,idstr=NAME,host=0000:00:1f.2");
}

TEST_CASE("mediated devices, and what they can be made from, are named", "[vfio]") {
    const Sysfs sysfs;
    CHECK(sysfs.candidates().empty());
    fs::create_directories(sysfs.at("bus/mdev/devices/83b8f4f2"));
    fs::create_directories(sysfs.at("class/mdev_bus/mtty/mdev_supported_types/mtty-2"));
    const auto found = sysfs.candidates();
    REQUIRE(found.size() == 2);
    CHECK(found[0].ready);
    CHECK(found[0].next ==
          "vfio,idstr=NAME,sysfsdev=" + sysfs.at("bus/mdev/devices/83b8f4f2").string());
    CHECK(found[1].name == "mtty-2 of mtty");
    CHECK_FALSE(found[1].ready);
    CHECK(found[1].next.find("mtty-2/create") != std::string::npos);
}

TEST_CASE("a kernel without a list of aliases has none", "[vfio]") {
    CHECK(read_module_aliases("no-such-release").empty());
}

}  // namespace
}  // namespace multifd

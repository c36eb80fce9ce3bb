#include "engine/devices/vfio/vfio_location.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "engine/devices/vfio/vfio_attachment.hpp"
#include "engine/devices/vfio/vfio_options.hpp"
#include "multifd/vfio.hpp"
#include "tests/engine/devices/vfio/scripted_driver.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd::test {
namespace {

namespace fs = std::filesystem;

/// A host's /sys and /dev with one PCI function, as the kernel lays them out.
class Host {
  public:
    Host() {
        fs::create_directories(function());
        fs::create_directories(folder_.path() / "sys/bus/pci/devices");
        fs::create_directory_symlink(function(),
                                     folder_.path() / "sys/bus/pci/devices/0000:3b:00.2");
        fs::create_directories(folder_.path() / "dev/vfio/devices");
    }
    Host& bound(const std::string& driver) {
        fs::create_directory_symlink("../../../../bus/pci/drivers/" + driver,
                                     function() / "driver");
        return *this;
    }
    Host& with_group() {
        fs::create_directory_symlink("../../../../kernel/iommu_groups/12",
                                     function() / "iommu_group");
        return node("vfio/12").node("vfio/vfio");
    }
    Host& with_cdev() {
        fs::create_directories(function() / "vfio-dev/vfio3");
        fs::create_directories(folder_.path() / "sys/class/vfio-dev/vfio3");
        fs::create_directory_symlink(function(),
                                     folder_.path() / "sys/class/vfio-dev/vfio3/device");
        return node("vfio/devices/vfio3");
    }
    Host& node(const std::string& name) {
        write_text(dev(name), "");
        return *this;
    }
    [[nodiscard]] fs::path function() const {
        return folder_.path() / "sys/devices/pci0000:3a/0000:3b:00.2";
    }
    [[nodiscard]] std::string dev(const std::string& name) const {
        return folder_ / ("dev/" + name);
    }
    [[nodiscard]] VfioRoots roots() const {
        return {folder_.path() / "sys", folder_.path() / "dev"};
    }

  private:
    TemporaryFolder folder_;
};

TEST_CASE("a device with a group alone is opened through it", "[vfio]") {
    Host host;
    host.bound("vfio-pci").with_group();
    const VfioLocation found = locate_pci("3b:00.2", host.roots());
    CHECK(found.name == "0000:3b:00.2");
    CHECK(found.driver == "vfio-pci");
    CHECK(found.group == host.dev("vfio/12"));
    CHECK(found.cdev.empty());

    const auto driver = std::make_shared<ScriptedDriver>();
    const VfioAttachment attachment = attach_vfio(driver, found);
    CHECK(attachment.interface == VfioInterface::group);
    CHECK(driver->opened == std::vector{host.dev("vfio/vfio"), host.dev("vfio/12")});
    CHECK(driver->attached ==
          std::vector<std::string>{"set-container", "set-iommu 3", "get-device 0000:3b:00.2"});
    CHECK(attachment.device.get() == ScriptedDriver::kDevice);
}

TEST_CASE("a character device is preferred, but needs iommufd", "[vfio]") {
    Host host;
    host.bound("mlx5_vfio_pci").with_group().with_cdev();
    CHECK(locate_pci("0000:3b:00.2", host.roots()).cdev.empty());
    CHECK_THROWS_WITH(locate_cdev(host.dev("vfio/devices/vfio3"), host.roots()),
                      Catch::Contains("needs /dev/iommu"));
    host.node("iommu");
    const VfioLocation found = locate_sysfs(host.function(), host.roots());
    CHECK(found.cdev == host.dev("vfio/devices/vfio3"));
    CHECK(locate_cdev(host.dev("vfio/devices/vfio3"), host.roots()).name == "0000:3b:00.2");

    const auto driver = std::make_shared<ScriptedDriver>();
    const VfioAttachment attachment = attach_vfio(driver, found);
    CHECK(attachment.interface == VfioInterface::cdev);
    CHECK(driver->opened == std::vector{host.dev("iommu"), host.dev("vfio/devices/vfio3")});
    CHECK(driver->attached == std::vector<std::string>{"bind-iommufd", "allocate", "attach 77"});
}

TEST_CASE("a character device whose node is missing leaves the group", "[vfio]") {
    Host host;
    host.bound("vfio-pci").with_group().with_cdev().node("iommu");
    std::filesystem::remove(host.dev("vfio/devices/vfio3"));
    const VfioLocation found = locate_pci("3b:00.2", host.roots());
    CHECK(found.cdev.empty());
    CHECK(found.iommufd.empty());
    CHECK(found.group == host.dev("vfio/12"));
}

TEST_CASE("what cannot be found or opened is said with what to do", "[vfio]") {
    Host host;
    CHECK_THROWS_WITH(locate_pci("nonsense", host.roots()), Catch::Contains("no PCI address"));
    CHECK_THROWS_WITH(locate_pci("0000:00:00.0", host.roots()),
                      Catch::Contains("no PCI function 0000:00:00.0"));
    CHECK_THROWS_WITH(locate_sysfs("/nonexistent", host.roots()),
                      Catch::Contains("no device at /nonexistent"));
    CHECK_THROWS_WITH(locate_cdev(host.dev("vfio/devices/vfio9"), host.roots()),
                      Catch::Contains("there is no"));
    CHECK_THROWS_WITH(locate_cdev(host.node("null").dev("null"), host.roots()),
                      Catch::Contains("is no VFIO device"));
    host.bound("mlx5_core");
    CHECK_THROWS_WITH(locate_pci("0000:3b:00.2", host.roots()),
                      Catch::Contains("bound to mlx5_core") && Catch::Contains("multifd probe"));

    host.with_group();
    const VfioLocation found = locate_pci("0000:3b:00.2", host.roots());
    const auto busy = std::make_shared<ScriptedDriver>();
    busy->open_errors[found.group] = EBUSY;
    CHECK_THROWS_WITH(attach_vfio(busy, found), Catch::Contains("another process has it"));
    const auto forbidden = std::make_shared<ScriptedDriver>();
    forbidden->open_errors[host.dev("vfio/vfio")] = EACCES;
    CHECK_THROWS_WITH(attach_vfio(forbidden, found), Catch::Contains("run as root"));
    const auto shared = std::make_shared<ScriptedDriver>();
    shared->group_viable = false;
    CHECK_THROWS_WITH(attach_vfio(shared, found), Catch::Contains("is not viable"));
}

TEST_CASE("a device that cannot be bound to its iommufd is refused", "[vfio]") {
    Host host;
    host.bound("vfio-pci").with_cdev().node("iommu");
    const auto driver = std::make_shared<ScriptedDriver>();
    driver->bind_error = EPERM;
    CHECK_THROWS_WITH(attach_vfio(driver, locate_sysfs(host.function(), host.roots())),
                      Catch::Contains("cannot be bound to"));
}

TEST_CASE("the command that binds a function names it and the driver", "[vfio]") {
    const std::string line = bind_command("0000:3b:00.2", "mlx5_vfio_pci");
    CHECK_THAT(line, Catch::StartsWith("modprobe mlx5_vfio_pci; ") &&
                         Catch::Contains("0000:3b:00.2/driver_override") &&
                         Catch::EndsWith("> /sys/bus/pci/drivers_probe"));
}

std::string refusal_of(const std::string& options, const std::shared_ptr<VfioCalls>& calls,
                       const VfioRoots& roots) {
    const DeviceSpec spec = parse_device_spec("vfio,idstr=vf0" + options);
    try {
        const OptionReader reader(spec, vfio_keys());
        (void)open_vfio_device(reader, calls, roots);
    } catch (const UsageError& error) {
        return error.what();
    }
    return {};
}

TEST_CASE("of --device, vfio takes one place and says what is wrong", "[vfio]") {
    Host host;
    host.bound("mlx5_vfio_pci").with_group();
    const auto driver = std::make_shared<ScriptedDriver>();
    CHECK(refusal_of(",host=0000:3b:00.2", driver, host.roots()).empty());
    CHECK(refusal_of(",sysfsdev=" + host.function().string() + ",config=off", driver, host.roots())
              .empty());
    CHECK_THAT(refusal_of("", driver, host.roots()), Catch::Contains("is required"));
    CHECK_THAT(refusal_of(",host=3b:00.2,cdev=/dev/x", driver, host.roots()),
               Catch::Contains("one of the keys"));
    CHECK_THAT(refusal_of(",host=3b:00.2,config=maybe", driver, host.roots()),
               Catch::Contains("on or off"));
    CHECK_THAT(refusal_of(",host=3b:00.2,state=stop", driver, host.roots()),
               Catch::Contains("synthetic"));
    driver->habits.migration = false;
    CHECK_THAT(refusal_of(",host=3b:00.2", driver, host.roots()),
               Catch::StartsWith("device vfio \"vf0\": 0000:3b:00.2: its driver offers no"));
    CHECK_FALSE(driver->device_open);
}

TEST_CASE("a descriptor that is no VFIO device is refused through the library too", "[vfio]") {
    CHECK_THROWS_AS(make_vfio_device(-1), std::invalid_argument);
    const TemporaryFolder folder;
    write_text(folder / "plain", "text");
    const auto calls = kernel_vfio_calls();
    const VfioDescriptor file(calls, calls->open(folder / "plain", 0));
    REQUIRE(file.is_open());
    CHECK_THROWS_WITH(make_vfio_device(file.get(), {.name = "gpu0"}),
                      Catch::StartsWith("gpu0: is no open VFIO device"));
    CHECK(calls->open(folder / "absent", 0) == -ENOENT);
}

}  // namespace
}  // namespace multifd::test

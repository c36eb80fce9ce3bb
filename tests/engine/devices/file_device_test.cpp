#include "engine/devices/file_device.hpp"

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "channels/wire/limits.hpp"
#include "tests/engine/devices/device_transfer.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

namespace fs = std::filesystem;
using test::Bytes;
using test::SavedState;

std::shared_ptr<Device> file_device(Role role, const std::string& options) {
    return make_device(parse_device_spec("file,idstr=a," + options), role).device;
}

std::string refusal(Role role, const std::string& options) {
    try {
        static_cast<void>(file_device(role, options));
    } catch (const UsageError& error) {
        return error.what();
    }
    return "";
}

Bytes bytes_of(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

std::size_t entries(const fs::path& folder) {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

/// The hidden file that stands in for `name` while a state comes; empty when there is none.
fs::path hidden_for(const fs::path& folder, const std::string& name) {
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (entry.path().filename().string().starts_with("." + name + ".multifd-")) {
            return entry.path();
        }
    }
    return {};
}

TEST_CASE("what the source's file has, the destination's file gets", "[file_device]") {
    const std::size_t size = GENERATE(0U, 1U, 4096U, 1'000'000U);
    const bool config = GENERATE(true, false);
    const TemporaryFolder folder;
    Bytes state(size);
    StateContent({1, 0}).fill(state, {0, 0});
    write_bytes(folder / "in", state);
    write_bytes(folder / "in.config", bytes_of("configured"));
    const auto source = file_device(
        Role::source,
        "path=" + (folder / "in") + (config ? ",config=" + (folder / "in.config") : std::string()));
    CHECK(source->stop_copy_size().value == size);
    const SavedState saved = test::save(*source);
    CHECK(saved.state == state);
    CHECK(saved.config == (config ? bytes_of("configured") : Bytes()));

    const auto destination = file_device(
        Role::destination, "path=" + (folder / "out") +
                               (config ? ",config=" + (folder / "out.config") : std::string()));
    const CallResult loaded = test::load(*destination, saved);
    CHECK(loaded.detail == "");
    REQUIRE(loaded.ok());
    CHECK(read_bytes(folder / "out") == state);
    CHECK(fs::exists(folder / "out.config") == config);
    if (config) CHECK(read_bytes(folder / "out.config") == bytes_of("configured"));
    REQUIRE(destination->set_state(DeviceState::running).ok());
    CHECK(entries(folder.path()) == (config ? 4 : 3));
    CHECK((fs::status(folder / "out").permissions() & fs::perms::others_all) == fs::perms::none);
    REQUIRE(source->set_state(DeviceState::running).ok());
}

/// A destination over files that are there already, and what a load would put there.
struct Replacement {
    TemporaryFolder folder;
    SavedState saved{bytes_of(std::string(100'000, 'n')), bytes_of("new config")};
    std::shared_ptr<Device> device;

    explicit Replacement(bool existing = true) {
        if (existing) {
            write_text(folder / "state", "old");
            write_text(folder / "config", "old config");
        }
        device = file_device(Role::destination,
                             "path=" + (folder / "state") + ",config=" + (folder / "config"));
    }
    void check_old() {
        CHECK(read_text(folder / "state") == "old");
        CHECK(read_text(folder / "config") == "old config");
        CHECK(entries(folder.path()) == 2);
    }
};

TEST_CASE("nothing is to be seen of a state before it is whole, and nothing if it never is",
          "[file_device]") {
    Replacement files;
    REQUIRE(files.device->set_state(DeviceState::resuming).ok());
    REQUIRE(files.device->write(files.saved.state).ok());
    CHECK(read_text(files.folder / "state") == "old");
    SECTION("reset before its end") {
        REQUIRE(files.device->reset().ok());
    }
    SECTION("the device goes away before its end") {
        files.device.reset();
    }
    SECTION("the config state never comes") {
        CHECK(files.device->set_state(DeviceState::stop).detail == "the config state is missing");
        REQUIRE(files.device->reset().ok());
    }
    SECTION("the config state comes twice") {
        REQUIRE(files.device->load_config(files.saved.config).ok());
        CHECK_FALSE(files.device->load_config(files.saved.config).ok());
        REQUIRE(files.device->reset().ok());
    }
    SECTION("it is whole, but reset before it runs") {
        REQUIRE(files.device->load_config(files.saved.config).ok());
        REQUIRE(files.device->set_state(DeviceState::stop).ok());
        CHECK(read_bytes(files.folder / "state") == files.saved.state);
        REQUIRE(files.device->reset().ok());
    }
    SECTION("its hidden file is taken away before it takes its place") {
        REQUIRE(files.device->load_config(files.saved.config).ok());
        fs::remove(hidden_for(files.folder.path(), "state"));
        const CallResult failed = files.device->set_state(DeviceState::stop);
        CHECK(failed.error == std::errc::no_such_file_or_directory);
        CHECK_THAT(failed.detail,
                   Catch::StartsWith("cannot put into place " + (files.folder / "state") + ": "));
        CHECK(files.device->state() == DeviceState::resuming);
    }
    SECTION("a second load begins") {
        REQUIRE(files.device->load_config(files.saved.config).ok());
        REQUIRE(files.device->set_state(DeviceState::stop).ok());
        REQUIRE(files.device->set_state(DeviceState::resuming).ok());
        REQUIRE(files.device->reset().ok());
    }
    files.check_old();
}

TEST_CASE("where no file was, none is after a failure", "[file_device]") {
    Replacement files(false);
    REQUIRE(files.device->set_state(DeviceState::resuming).ok());
    REQUIRE(files.device->write(files.saved.state).ok());
    REQUIRE(files.device->load_config(files.saved.config).ok());
    const bool whole = GENERATE(true, false);
    if (whole) REQUIRE(files.device->set_state(DeviceState::stop).ok());
    CHECK(entries(files.folder.path()) == 2);
    REQUIRE(files.device->reset().ok());
    CHECK(entries(files.folder.path()) == 0);
}

TEST_CASE("once the device has run, the new files stay", "[file_device]") {
    Replacement files;
    fs::permissions(files.folder / "state", fs::perms::owner_read | fs::perms::group_read);
    REQUIRE(test::load(*files.device, files.saved).ok());
    CHECK(entries(files.folder.path()) == 4);
    SECTION("after a reset") {
        REQUIRE(files.device->set_state(DeviceState::running_p2p).ok());
        REQUIRE(files.device->reset().ok());
    }
    SECTION("after the device's end, also when it did not run") {
        files.device.reset();
    }
    CHECK(read_bytes(files.folder / "state") == files.saved.state);
    CHECK(read_bytes(files.folder / "config") == files.saved.config);
    CHECK(entries(files.folder.path()) == 2);
    CHECK(fs::status(files.folder / "state").permissions() ==
          (fs::perms::owner_read | fs::perms::group_read));
}

TEST_CASE("a folder that took the file's name is left alone", "[file_device]") {
    Replacement files(false);
    REQUIRE(files.device->set_state(DeviceState::resuming).ok());
    REQUIRE(files.device->load_config(files.saved.config).ok());
    fs::create_directory(files.folder / "state");
    CHECK_FALSE(files.device->set_state(DeviceState::stop).ok());
    CHECK(fs::is_directory(files.folder / "state"));
    CHECK(entries(files.folder.path()) == 1);
}

TEST_CASE("a link's target is replaced, not the link", "[file_device]") {
    const TemporaryFolder folder;
    fs::create_directory(folder / "inner");
    write_text(folder / "inner/real", "old");
    fs::create_symlink("inner/real", folder / "link");
    const auto device = file_device(Role::destination, "path=" + (folder / "link"));
    REQUIRE(test::load(*device, {bytes_of("new"), {}}).ok());
    CHECK(fs::is_symlink(folder / "link"));
    CHECK(read_text(folder / "inner/real") == "new");
}

/// Files of this process cannot grow beyond `bytes` while it lives.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit limit{bytes, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        static_cast<void>(std::signal(SIGXFSZ, handler_));
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;

  private:
    rlimit before_{};
    void (*handler_)(int);
};

TEST_CASE("a write that the system refuses names the path and the reason", "[file_device]") {
    Replacement files;
    REQUIRE(files.device->set_state(DeviceState::resuming).ok());
    CallResult result;
    {
        const FileSizeLimit limit(64U << 10U);
        result = files.device->write(files.saved.state);
    }
    CHECK(result.error == std::errc::file_too_large);
    CHECK(result.detail == "cannot write " + (files.folder / "state") + ": File too large");
    REQUIRE(files.device->reset().ok());
    files.check_old();
}

/// A file system of 64 KiB in `folder`, if one may be mounted here.
class SmallDisk {
  public:
    explicit SmallDisk(std::string folder)
        : folder_(std::move(folder)),
          mounted_(::mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=64k") == 0) {}
    ~SmallDisk() {
        if (mounted_) ::umount2(folder_.c_str(), MNT_DETACH);
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    [[nodiscard]] bool mounted() const noexcept { return mounted_; }

  private:
    std::string folder_;
    bool mounted_;
};

TEST_CASE("a full disk is a failure of the device, and the old file is kept", "[file_device]") {
    const TemporaryFolder folder;
    fs::create_directory(folder / "disk");
    const std::string disk = folder / "disk";
    const SmallDisk small(disk);
    if (!small.mounted()) {
        WARN("SKIPPED: no file system of 64 KiB can be mounted here: " << std::strerror(errno));
        return;
    }
    write_text(disk + "/state", "old");
    const auto device = file_device(Role::destination, "path=" + disk + "/state");
    REQUIRE(device->set_state(DeviceState::resuming).ok());
    const CallResult result = device->write(Bytes(100'000));
    CHECK(result.error == std::errc::no_space_on_device);
    CHECK(result.detail == "cannot write " + disk +
                               "/state: No space left on device; what was there is kept: make "
                               "room in " +
                               disk + " and run again");
    REQUIRE(device->reset().ok());
    CHECK(read_text(disk + "/state") == "old");
    CHECK(entries(disk) == 1);
}

std::uint64_t room_of(const fs::path& file) {
    struct stat about {};
    REQUIRE(::stat(file.c_str(), &about) == 0);
    return static_cast<std::uint64_t>(about.st_blocks) * 512;
}

TEST_CASE("what a source announces gets its room before it comes, and no more in the end",
          "[file_device]") {
    const std::size_t size = GENERATE(0U, 1U, 100'000U, 1'000'000U);
    CAPTURE(size);
    constexpr std::uint64_t kAnnounced = 1'000'000;
    const TemporaryFolder folder;
    const auto device = file_device(Role::destination, "path=" + (folder / "state"));
    REQUIRE(device->set_state(DeviceState::resuming).ok());
    REQUIRE(device->expect(kAnnounced).ok());
    const fs::path hidden = hidden_for(folder.path(), "state");
    CHECK(room_of(hidden) >= kAnnounced);
    CHECK(fs::file_size(hidden) == 0);
    const Bytes state(size, std::byte{0x5a});
    REQUIRE(device->write(state).ok());
    REQUIRE(device->load_config({}).ok());
    REQUIRE(device->set_state(DeviceState::stop).ok());
    CHECK(read_text(folder / "state") == std::string(size, '\x5a'));
    CHECK(room_of(folder / "state") < size + 64 * 1024);
}

TEST_CASE("room for an announced state is not asked for with prealloc=off, nor out of turn",
          "[file_device]") {
    const TemporaryFolder folder;
    const auto device = file_device(Role::destination, "prealloc=off,path=" + (folder / "state"));
    CHECK_FALSE(device->expect(1000).ok());
    REQUIRE(device->set_state(DeviceState::resuming).ok());
    REQUIRE(device->expect(std::uint64_t{1} << 60U).ok());
    CHECK(room_of(hidden_for(folder.path(), "state")) == 0);
}

TEST_CASE("an announced state that does not fit is refused before it comes", "[file_device]") {
    const TemporaryFolder folder;
    write_text(folder / "state", "old");
    const auto device = file_device(Role::destination, "path=" + (folder / "state"));
    REQUIRE(device->set_state(DeviceState::resuming).ok());
    const CallResult refused = device->expect(std::uint64_t{1} << 60U);
    CHECK(refused.error == std::errc::no_space_on_device);
    CHECK(refused.detail ==
          "cannot get room for 1152921504606846976 bytes in " + (folder / "state") +
              ": No space left on device; what was there is kept: make room in " +
              folder.path().string() + " and run again, or give this device prealloc=off");
    REQUIRE(device->reset().ok());
    CHECK(read_text(folder / "state") == "old");
    CHECK(entries(folder.path()) == 1);
}

TEST_CASE("getting room for an announced state can be interrupted", "[file_device]") {
    const TemporaryFolder folder;
    const auto device = file_device(Role::destination, "path=" + (folder / "state"));
    REQUIRE(device->set_state(DeviceState::resuming).ok());
    device->interrupt();
    CHECK(device->expect(1000).error == std::errc::operation_canceled);
    REQUIRE(device->reset().ok());
    REQUIRE(device->set_state(DeviceState::resuming).ok());
    CHECK(device->expect(1000).ok());
}

TEST_CASE("a folder that is gone is a failure when the load begins", "[file_device]") {
    const TemporaryFolder folder;
    fs::create_directory(folder / "inner");
    const auto device = file_device(Role::destination, "path=" + (folder / "inner/state"));
    fs::remove(folder / "inner");
    const CallResult result = device->set_state(DeviceState::resuming);
    CHECK(result.error == std::errc::no_such_file_or_directory);
    CHECK_THAT(result.detail,
               Catch::StartsWith("cannot create a file beside " + (folder / "inner/state") + ": "));
    CHECK(device->state() == DeviceState::stop);
}

TEST_CASE("a source's file that shrinks or vanishes fails the read", "[file_device]") {
    const TemporaryFolder folder;
    write_bytes(folder / "state", Bytes(10'000));
    const auto source = file_device(Role::source, "path=" + (folder / "state"));
    Bytes buffer(4096);
    SECTION("shorter while it is read") {
        REQUIRE(source->set_state(DeviceState::stop_copy).ok());
        REQUIRE(source->read(buffer).ok());
        fs::resize_file(folder / "state", 5000);
        const CallResult result = source->read(buffer);
        CHECK(result.error == std::errc::io_error);
        CHECK_THAT(result.detail, Catch::EndsWith("it ends after 5000 of 10000 bytes"));
    }
    SECTION("longer while it is read: what was there at first") {
        REQUIRE(source->set_state(DeviceState::stop_copy).ok());
        fs::resize_file(folder / "state", 20'000);
        Bytes state;
        std::mt19937 random(1);
        REQUIRE(test::read_all(*source, state, random, 4096).ok());
        CHECK(state.size() == 10'000);
    }
    SECTION("gone before the stop") {
        fs::remove(folder / "state");
        CHECK(source->stop_copy_size().error == std::errc::no_such_file_or_directory);
        const CallResult result = source->set_state(DeviceState::stop_copy);
        CHECK(result.error == std::errc::no_such_file_or_directory);
        CHECK_THAT(result.detail, Catch::StartsWith("cannot read " + (folder / "state")));
        CHECK(source->state() == DeviceState::stop);
        CHECK(source->set_state(DeviceState::running).ok());
    }
}

TEST_CASE("a config file may be 1 MiB, and no more", "[file_device]") {
    const TemporaryFolder folder;
    write_text(folder / "state", "x");
    const std::size_t more = GENERATE(0U, 1U);
    write_bytes(folder / "config", Bytes(limits::kConfigStateBytesMax + more));
    const auto source =
        file_device(Role::source, "path=" + (folder / "state") + ",config=" + (folder / "config"));
    REQUIRE(source->set_state(DeviceState::stop_copy).ok());
    Bytes config;
    CHECK(source->save_config(config).ok() == (more == 0));
}

TEST_CASE("a config state for which there is no file is refused", "[file_device]") {
    const TemporaryFolder folder;
    const auto device = file_device(Role::destination, "path=" + (folder / "state"));
    const CallResult result = test::load(*device, {bytes_of("x"), bytes_of("config")});
    CHECK_THAT(result.detail, Catch::Contains("config=PATH"));
    REQUIRE(device->reset().ok());
    CHECK(entries(folder.path()) == 0);
}

TEST_CASE("each end's file device has one direction", "[file_device]") {
    const TemporaryFolder folder;
    write_text(folder / "state", "x");
    const auto source = file_device(Role::source, "path=" + (folder / "state"));
    const auto destination = file_device(Role::destination, "path=" + (folder / "state"));
    CHECK(source->set_state(DeviceState::resuming).error == std::errc::operation_not_supported);
    CHECK(destination->set_state(DeviceState::stop_copy).error ==
          std::errc::operation_not_supported);
    Bytes bytes(1);
    CHECK(source->read(bytes).error == std::errc::invalid_argument);
    CHECK(destination->write(bytes).error == std::errc::invalid_argument);
    CHECK(source->set_state(DeviceState::pre_copy).error == std::errc::invalid_argument);
}

TEST_CASE("paths that cannot do are refused before anything begins", "[file_device]") {
    const TemporaryFolder folder;
    const std::string inner = folder / "inner";
    fs::create_directory(inner);
    write_text(folder / "state", "x");
    const std::string pipe = folder / "pipe";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    for (const Role role : {Role::source, Role::destination}) {
        CAPTURE(to_string(role));
        CHECK_THAT(refusal(role, "state=stop"), Catch::Contains("key \"path\" is required"));
        CHECK_THAT(refusal(role, "path="), Catch::Contains("the path of a file"));
        CHECK_THAT(refusal(role, "path=" + inner), Catch::Contains("a regular file"));
        CHECK_THAT(refusal(role, "path=" + pipe), Catch::Contains("a regular file"));
        CHECK_THAT(refusal(role, "path=" + (folder / "none/x")),
                   Catch::Contains("No such file or directory"));
        CHECK_THAT(refusal(role, "path=" + (folder / "state/x")),
                   Catch::Contains("Not a directory"));
        CHECK_THAT(refusal(role, "path=" + (folder / "state") + ",config=" + (folder / "state")),
                   Catch::Contains("another file than path"));
    }
    CHECK_THAT(refusal(Role::source, "path=" + (folder / "none")),
               Catch::Contains("path=" + (folder / "none") +
                               " is not allowed: a file that can be "
                               "read; this one: No such file"));
    CHECK_THAT(refusal(Role::destination, "path=" + (folder / "new/")), Catch::Contains("folder"));
    CHECK(refusal(Role::destination, "path=" + (folder / "none")).empty());
    CHECK(entries(folder.path()) == 3);
}

TEST_CASE("a bare name is a file of the current folder", "[file_device]") {
    const TemporaryFolder folder;
    const fs::path before = fs::current_path();
    fs::current_path(folder.path());
    const auto device = file_device(Role::destination, "path=bare");
    const CallResult result = test::load(*device, {bytes_of("x"), {}});
    fs::current_path(before);
    CHECK(result.ok());
    CHECK(read_text(folder / "bare") == "x");
}

}  // namespace
}  // namespace multifd

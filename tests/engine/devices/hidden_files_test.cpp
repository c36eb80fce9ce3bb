// What a killed run leaves beside its file, and what the next one makes of it.
#include "engine/devices/hidden_files.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>

#include "engine/devices/atomic_file.hpp"
#include "engine/devices/device_options.hpp"
#include "engine/devices/link_target.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

std::size_t entries(const fs::path& folder) {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

/// Runs `steps` on a file at `path` in a process of its own, which is then killed.
void run_and_kill(const std::string& path, const std::function<void(AtomicFile&)>& steps) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        AtomicFile file(path);
        steps(file);
        ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
}

void write_part(AtomicFile& file) {
    static_cast<void>(file.create());
    static_cast<void>(file.append(bytes_of("new")));
}

void write_whole(AtomicFile& file) {
    write_part(file);
    static_cast<void>(file.flush());
    static_cast<void>(file.publish());
}

}  // namespace

TEST_CASE("an incomplete state of a killed run is removed by the next", "[file_device]") {
    const TemporaryFolder folder;
    write_text(folder / "state", "old");
    run_and_kill(folder / "state", write_part);
    CHECK(read_text(folder / "state") == "old");
    REQUIRE(entries(folder.path()) == 2);
    const auto leftovers = clear_leftovers(folder / "state");
    REQUIRE(leftovers.size() == 1);
    CHECK(leftovers.front().kind == HiddenKind::part);
    CHECK(leftovers.front().removed);
    CHECK(entries(folder.path()) == 1);
    CHECK(clear_leftovers(folder / "state").empty());
}

TEST_CASE("a run that is killed before its devices run leaves both files whole", "[file_device]") {
    const TemporaryFolder folder;
    write_text(folder / "state", "old");
    run_and_kill(folder / "state", write_whole);
    CHECK(read_text(folder / "state") == "new");
    const auto leftovers = clear_leftovers(folder / "state");
    REQUIRE(leftovers.size() == 1);
    CHECK(leftovers.front().kind == HiddenKind::kept);
    CHECK_FALSE(leftovers.front().removed);
    CHECK(read_text(leftovers.front().path) == "old");
    CHECK(entries(folder.path()) == 2);
}

TEST_CASE("a run that is killed where no file was leaves nothing beside its own", "[file_device]") {
    const TemporaryFolder folder;
    run_and_kill(folder / "state", write_whole);
    CHECK(read_text(folder / "state") == "new");
    CHECK(clear_leftovers(folder / "state").empty());
    CHECK(entries(folder.path()) == 1);
}

TEST_CASE("the files of a run that still works are no leftovers", "[file_device]") {
    const TemporaryFolder folder;
    write_text(folder / "state", "old");
    AtomicFile file(folder / "state");
    write_part(file);
    CHECK(clear_leftovers(folder / "state").empty());
    REQUIRE(file.publish().ok());
    CHECK(entries(folder.path()) == 2);
    CHECK(clear_leftovers(folder / "state").empty());
    SECTION("settled") {
        file.settle();
        CHECK(read_text(folder / "state") == "new");
    }
    SECTION("withdrawn") {
        file.withdraw();
        CHECK(read_text(folder / "state") == "old");
    }
    CHECK(entries(folder.path()) == 1);
}

TEST_CASE("a destination names what was left, and nothing of other files", "[file_device]") {
    const TemporaryFolder folder;
    write_text(folder / "state", "old");
    write_text(folder / "state2", "old");
    write_text(folder / ".state.multifd-part-short", "somebody else's");
    run_and_kill(folder / "state", write_whole);
    run_and_kill(folder / "state", write_part);
    run_and_kill(folder / "state2", write_whole);
    const std::vector<DeviceEntry> devices{make_device(
        parse_device_spec("file,idstr=a,path=" + (folder / "state")), Role::destination)};
    const auto lines = clear_leftovers(devices);
    REQUIRE(lines.size() == 2);
    CHECK_THAT(lines[0], Catch::Contains("/.state.multifd-kept-") &&
                             Catch::Contains("changed places with " + (folder / "state")));
    CHECK_THAT(lines[1], Catch::StartsWith("removed " + (folder / ".state.multifd-part-")));
    CHECK(entries(folder.path()) == 5);
}

TEST_CASE("a path stands for what its links lead to", "[file_device]") {
    const TemporaryFolder folder;
    fs::create_directory(folder / "inner");
    fs::create_symlink("inner", folder / "folder-link");
    fs::create_symlink("folder-link/missing", folder / "dangling");
    fs::create_symlink("dangling", folder / "chain");
    fs::create_symlink("circle", folder / "circle");
    fs::create_symlink("nowhere/file", folder / "lost");
    const fs::path real = fs::canonical(folder.path());
    const auto target = [&](const std::string& name) {
        std::error_code error;
        const fs::path path = link_target(folder / name, error);
        return error ? error.message() : path.string();
    };
    CHECK(target("plain") == (real / "plain").string());
    CHECK(target("inner/../plain") == (real / "plain").string());
    CHECK(target("dangling") == (real / "inner/missing").string());
    CHECK(target("chain") == (real / "inner/missing").string());
    CHECK(target("folder-link") == (real / "inner").string());
    CHECK(target("circle") == std::generic_category().message(ELOOP));
    CHECK(target("lost") == std::generic_category().message(ENOENT));
}

TEST_CASE("a state goes where a link leads, and the link stays", "[file_device]") {
    const TemporaryFolder folder;
    fs::create_symlink("real", folder / "link");
    const auto device =
        make_device(parse_device_spec("file,idstr=a,path=" + (folder / "link")), Role::destination)
            .device;
    REQUIRE(device->set_state(DeviceState::resuming).ok());
    REQUIRE(device->write(bytes_of("new")).ok());
    REQUIRE(device->load_config({}).ok());
    SECTION("though it led nowhere") {
        REQUIRE(device->set_state(DeviceState::stop).ok());
        CHECK(fs::is_symlink(folder / "link"));
        CHECK(read_text(folder / "real") == "new");
    }
    SECTION("but a link that comes later is not replaced") {
        fs::create_symlink("elsewhere", folder / "real");
        CHECK_FALSE(device->set_state(DeviceState::stop).ok());
        CHECK(fs::is_symlink(folder / "real"));
        CHECK_FALSE(fs::exists(folder / "elsewhere"));
    }
}

}  // namespace multifd

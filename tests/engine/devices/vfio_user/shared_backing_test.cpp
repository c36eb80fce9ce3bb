#include "engine/devices/vfio_user/shared_backing.hpp"

#include <catch2/catch.hpp>
#include <system_error>

#include "tests/support/temporary_folder.hpp"

namespace multifd::vfio_user {

// flock(2) belongs to the open file, so two objects in one process are like two processes.
TEST_CASE("only one end has the backing", "[vfio_user]") {
    const TemporaryFolder folder;
    const std::string path = folder / "disk.img";
    write_text(path, "disk");
    SharedBacking source(path, {true, true});
    SharedBacking destination(path, {false, false});
    CHECK(source.held());

    const CallResult refused = destination.before_running(0);
    CHECK(refused.error == std::errc::resource_unavailable_try_again);
    CHECK(refused.detail.find(path) != std::string::npos);
    CHECK_FALSE(destination.held());

    CHECK(source.stopped(0).ok());
    CHECK_FALSE(destination.before_running(0).ok());
    CHECK(source.stopped(1).ok());
    CHECK_FALSE(source.held());
    CHECK(destination.before_running(0).ok());
    CHECK(destination.before_running(1).ok());
    CHECK(source.before_running(1).error == std::errc::resource_unavailable_try_again);

    // And back again.
    CHECK(destination.stopped(0).ok());
    CHECK(destination.stopped(1).ok());
    CHECK(source.before_running(1).ok());
    CHECK(source.held());
}

TEST_CASE("a backing that cannot be had at the start is said", "[vfio_user]") {
    const TemporaryFolder folder;
    CHECK_THROWS_AS(SharedBacking(folder / "missing", {false}), std::system_error);
    const std::string path = folder / "disk.img";
    write_text(path, "disk");
    const SharedBacking first(path, {true});
    CHECK_THROWS_AS(SharedBacking(path, {true}), std::system_error);
    CHECK_NOTHROW(SharedBacking(path, {false}));
}

}  // namespace multifd::vfio_user

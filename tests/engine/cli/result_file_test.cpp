#include "engine/cli/result_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>

#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

std::size_t files_in(const std::filesystem::path& folder) {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
    return count;
}

}  // namespace

TEST_CASE("a result replaces a file whole and leaves nothing beside it", "[cli]") {
    const TemporaryFolder folder;
    write_text(folder / "report.json", "a much longer text that was here before");
    CHECK_FALSE(check_result_target(folder / "report.json"));
    CHECK_FALSE(write_result(folder / "report.json", "new\n"));
    CHECK(read_text(folder / "report.json") == "new\n");
    CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a result that cannot be written leaves the old file", "[cli]") {
    const TemporaryFolder folder;
    CHECK(check_result_target(folder / "missing/report.json"));
    CHECK(write_result(folder / "missing/report.json", "new\n"));
    CHECK(check_result_target(folder.path()));
    CHECK(write_result(folder.path(), "new\n"));
    CHECK(write_result("/dev/full", "new\n") ==
          std::make_error_code(std::errc::no_space_on_device));
    CHECK(files_in(folder.path()) == 0);
}

TEST_CASE("a file that cannot take its place leaves nothing beside it", "[cli]") {
    const TemporaryFolder folder;
    std::filesystem::create_directory(folder / "taken");
    CHECK(replace_file(folder / "taken", {}));
    CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a target that is no regular file is written to, never replaced", "[cli]") {
    CHECK_FALSE(check_result_target("/dev/null"));
    CHECK_FALSE(write_result("/dev/null", "new\n"));
    CHECK(std::filesystem::is_character_file("/dev/null"));
}

TEST_CASE("a link to a file stays a link", "[cli]") {
    const TemporaryFolder folder;
    write_text(folder / "real", "old");
    std::filesystem::create_symlink(folder / "real", folder / "link");
    CHECK_FALSE(write_result(folder / "link", "new"));
    CHECK(std::filesystem::is_symlink(folder / "link"));
    CHECK(read_text(folder / "real") == "new");
}

TEST_CASE("a link that leads nowhere stays a link too", "[cli]") {
    const TemporaryFolder folder;
    std::filesystem::create_symlink("real", folder / "link");
    CHECK_FALSE(check_result_target(folder / "link"));
    CHECK_FALSE(write_result(folder / "link", "new"));
    CHECK(std::filesystem::is_symlink(folder / "link"));
    CHECK(read_text(folder / "real") == "new");
}

TEST_CASE("a named pipe that nobody reads is waited for, but not for ever", "[cli]") {
    const TemporaryFolder folder;
    REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
    int waits = 0;
    const auto count = [&] { ++waits; };
    CHECK(write_result(folder / "pipe", "new", std::chrono::milliseconds(60), count) ==
          std::errc::no_such_device_or_address);
    CHECK(waits == 1);
    SECTION("a reader that comes gets the whole result") {
        std::string heard;
        std::thread reader;
        const auto come = [&] {
            reader = std::thread([&] { heard = read_text(folder / "pipe"); });
        };
        const std::string text(300'000, 'n');
        CHECK_FALSE(write_result(folder / "pipe", text, std::chrono::seconds(60), come));
        reader.join();
        CHECK(heard == text);
    }
    SECTION("a reader that takes nothing is given up as well") {
        const int reader = ::open((folder / "pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        CHECK(write_result(folder / "pipe", std::string(300'000, 'n'),
                           std::chrono::milliseconds(60)) == std::errc::timed_out);
        ::close(reader);
    }
}

TEST_CASE("extracted files take the place of a link and follow none", "[cli]") {
    const TemporaryFolder folder;
    write_text(folder / "real", "old");
    std::filesystem::create_symlink(folder / "real", folder / "link");
    const std::array bytes{std::byte{'n'}, std::byte{'e'}, std::byte{'w'}};
    CHECK_FALSE(
        replace_file(folder / "link", {std::span(bytes).first(1), std::span(bytes).last(2)}));
    CHECK_FALSE(std::filesystem::is_symlink(folder / "link"));
    CHECK(read_text(folder / "link") == "new");
    CHECK(read_text(folder / "real") == "old");
}

TEST_CASE("a new result has the permissions of the user's mask", "[cli]") {
    const TemporaryFolder folder;
    const mode_t former = ::umask(027);
    CHECK_FALSE(write_result(folder / "report.json", "new"));
    ::umask(former);
    struct stat status {};
    REQUIRE(::stat((folder / "report.json").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0640);
}

}  // namespace multifd

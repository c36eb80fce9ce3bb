#include "tests/support/heap_counter.hpp"

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace multifd {
namespace {

/// Runs the subject under the counting library in a folder of its own.
class Counted {
  public:
    explicit Counted(const std::string& subject_case, const std::string& file_name = "totals") {
        std::string name = (std::filesystem::temp_directory_path() / "multifd-XXXXXX").string();
        if (::mkdtemp(name.data()) != nullptr) folder_ = name;
        const std::string command =
            "LD_PRELOAD=" MULTIFD_HEAP_COUNTER " MULTIFD_COUNTERS_FILE=" + name + "/" + file_name +
            " MULTIFD_COUNTERS_SIGNAL=" + std::to_string(SIGUSR2) +
            " " MULTIFD_HEAP_COUNTER_SUBJECT " " + subject_case + " 2>/dev/null";
        status = std::system(command.c_str());
        for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
            files.push_back(read_counters(entry.path()));
        }
    }
    ~Counted() { std::filesystem::remove_all(folder_); }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

    int status = -1;
    std::vector<Counters> files;

  private:
    std::filesystem::path folder_;
};

/// What the case adds to a program that does nothing.
std::uint64_t difference(const Counted& counted, const Counted& nothing, const char* name) {
    REQUIRE(counted.status == 0);
    REQUIRE(counted.files.size() == 1);
    REQUIRE(nothing.files.size() == 1);
    REQUIRE(counted.files[0].contains(name));
    return counted.files[0].at(name) - nothing.files[0].at(name);
}

TEST_CASE("every allocating call of a program is counted", "[heap_counter]") {
    const Counted nothing("nothing");
    const Counted counted("allocate");
    CHECK(difference(counted, nothing, "malloc_calls") == 1000);
    CHECK(difference(counted, nothing, "calloc_calls") == 200);
    CHECK(difference(counted, nothing, "realloc_calls") == 30);
    CHECK(difference(counted, nothing, "aligned_calls") == 5);
    CHECK(difference(counted, nothing, "allocation_calls") == 1235);
    CHECK(difference(counted, nothing, "allocation_bytes") ==
          10'000 + 200 * 20 + 300 + 4 * 128 + 4096);
}

TEST_CASE("what oneTBB allocates is counted, whichever allocator it found", "[heap_counter]") {
    const Counted nothing("nothing");
    const Counted counted("allocate_by_tbb");
    CHECK(difference(counted, nothing, "allocation_calls") >= 1000);
}

TEST_CASE("copies count from 4096 bytes on", "[heap_counter]") {
    const Counted nothing("nothing");
    const Counted counted("copy");
    CHECK(difference(counted, nothing, "copy_calls") == 6);
    CHECK(difference(counted, nothing, "copy_bytes") == 5 * 4096 + 8000);
}

TEST_CASE("bytes count once for each call that moved them, and not when peeked", "[heap_counter]") {
    const Counted nothing("nothing");
    const Counted counted("transfer");
    CHECK(difference(counted, nothing, "send_calls") == 2);
    CHECK(difference(counted, nothing, "send_bytes") == 130);
    CHECK(difference(counted, nothing, "write_bytes") == 7);
    CHECK(difference(counted, nothing, "receive_calls") == 2);
    CHECK(difference(counted, nothing, "receive_bytes") == 107);
    CHECK(difference(counted, nothing, "read_bytes") == 30);
}

TEST_CASE("a forked child counts from zero and writes a file of its own", "[heap_counter]") {
    SECTION("when the path names the process") {
        const Counted counted("fork", "totals.%p");
        REQUIRE(counted.files.size() == 2);
        const bool first_is_child =
            counted.files[0].at("malloc_calls") < counted.files[1].at("malloc_calls");
        CHECK(counted.files[first_is_child ? 0 : 1].at("malloc_calls") == 5);
        CHECK(counted.files[first_is_child ? 1 : 0].at("malloc_calls") >= 1000);
    }
    SECTION("and none when it does not") {
        const Counted counted("fork");
        REQUIRE(counted.files.size() == 1);
        CHECK(counted.files[0].at("malloc_calls") >= 1000);
    }
}

TEST_CASE("a signal writes the totals so far, and _exit() the last ones", "[heap_counter]") {
    const Counted killed("snapshot");
    CHECK(killed.status != 0);
    REQUIRE(killed.files.size() == 1);
    CHECK(killed.files[0].at("snapshots") == 2);
    CHECK(Counted("exit_at_once").files.size() == 1);
}

}  // namespace
}  // namespace multifd

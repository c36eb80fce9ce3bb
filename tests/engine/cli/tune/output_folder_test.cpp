#include "engine/cli/tune/output_folder.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "engine/cli/command_context.hpp"
#include "tests/engine/cli/tune/results_fixture.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd::tuning {

TEST_CASE("earlier results are replaced only when that is asked for", "[tune]") {
    const TemporaryFolder folder;
    const std::string out = folder / "a/b";
    prepare_output_folder(out, false);
    CHECK(std::filesystem::is_directory(out));
    prepare_output_folder(out, false);
    CHECK(write_results(out, made_up_results()).empty());
    CHECK_THROWS_WITH(prepare_output_folder(out, false), Catch::Contains("--force"));
    prepare_output_folder(out, true);
    for (const char* name : {"results.json", "results.csv", "best.toml", "report.html"}) {
        CHECK_FALSE(read_text(out + "/" + name).empty());
    }
    // A best of another tuning must not stay beside results that have none.
    CHECK(write_results(out, failed_results()).empty());
    CHECK_FALSE(std::filesystem::exists(out + "/best.toml"));
}

TEST_CASE("what is no folder, or cannot be one, is refused", "[tune]") {
    const TemporaryFolder folder;
    write_text(folder / "file", "");
    CHECK_THROWS_WITH(prepare_output_folder(folder / "file", true), Catch::Contains("no folder"));
    CHECK_THROWS_AS(prepare_output_folder(folder / "file/below", false), StartFailure);
    CHECK_FALSE(write_results(folder / "missing", failed_results()).empty());
}

}  // namespace multifd::tuning

#include "engine/cli/scratch_folder.hpp"

#include <catch2/catch.hpp>

#include "tests/support/temporary_folder.hpp"

namespace multifd {

TEST_CASE("a scratch folder goes with everything in it, unless it is kept", "[cli]") {
    std::string path;
    {
        const ScratchFolder folder("multifd-test");
        path = folder.path();
        write_text(folder.file("a"), "text");
        CHECK(folder.text("a") == "text");
        CHECK(folder.text("b").empty());
    }
    CHECK_FALSE(std::filesystem::exists(path));
    {
        ScratchFolder folder("multifd-test");
        folder.keep();
        path = folder.path();
    }
    CHECK(std::filesystem::exists(path));
    std::filesystem::remove_all(path);
}

}  // namespace multifd

#include "multifd/host.hpp"

#include <catch2/catch.hpp>

namespace multifd {

TEST_CASE("a host that overrides nothing agrees to everything but foreign sections", "[engine]") {
    Host host;
    struct NoWriter final : SectionWriter {
        CallResult write(std::string_view, std::span<const std::byte>) override {
            FAIL("the default writes nothing");
            return CallResult::success();
        }
    } writer;
    CHECK(host.before_switchover({}).ok());
    CHECK(host.pause({}).ok());
    CHECK(host.about_to_commit({}).ok());
    CHECK(host.resume({}).ok());
    CHECK(host.start({}).ok());
    for (const auto point : {SavePoint::setup, SavePoint::iterate, SavePoint::complete}) {
        CHECK(host.save(point, writer, {}).ok());
    }
    CHECK(host.pending_bytes() == 0);
    const auto refused = host.load("ram", {}, {});
    CHECK_FALSE(refused.ok());
    CHECK_THAT(refused.detail, Catch::Contains("'ram'"));
}

}  // namespace multifd

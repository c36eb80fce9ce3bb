#include "reassembly/pre_copy_border.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>

#include "channels/wire/limits.hpp"
#include "reassembly/reassembly.hpp"

namespace multifd {
namespace {

TEST_CASE("packets of a right sender may show themselves in any order", "[reassembly]") {
    std::array<std::uint32_t, 5> order{0, 1, 2, 3, 4};
    const std::uint32_t end = GENERATE(0U, 2U, 5U);
    do {
        PreCopyBorder border;
        border.open();
        bool allowed = true;
        for (const auto idx : order) {
            allowed = allowed && border.allows(idx, idx < end);
            border.show(idx, idx < end);
        }
        REQUIRE(allowed);
        CHECK(border.close(end));
    } while (std::ranges::next_permutation(order).found);
}

TEST_CASE("a packet on the wrong side of another one is not allowed, whichever comes first",
          "[reassembly]") {
    PreCopyBorder border;
    border.open();
    border.show(3, true);
    CHECK_FALSE(border.allows(2, false));
    border.show(6, false);
    CHECK_FALSE(border.allows(7, true));
    CHECK(border.allows(5, true));
    CHECK(border.allows(4, false));
}

TEST_CASE("the border that is told must fit what has been shown, and holds from then on",
          "[reassembly]") {
    PreCopyBorder border;
    border.open();
    border.show(3, true);
    border.show(6, false);
    CHECK_FALSE(border.close(3));
    CHECK_FALSE(border.close(7));
    REQUIRE(border.close(5));
    CHECK(border.allows(4, true));
    CHECK_FALSE(border.allows(4, false));
    CHECK_FALSE(border.allows(5, true));
    CHECK_FALSE(border.close(6));
}

TEST_CASE("the last idx of all can be pre-copy data", "[reassembly]") {
    PreCopyBorder border;
    border.open();
    border.show(0xfffffffd, true);
    CHECK(border.close(0xfffffffe));
    CHECK(border.allows(0xfffffffe, false));
}

TEST_CASE("pre-copy packets of a device that does not pre-copy here are misplaced",
          "[reassembly]") {
    Reassembly reassembly({.buffer_bytes = 4096, .buffers = 4, .channels = 1}, 2);
    reassembly.begin_pre_copy(DeviceId{1});
    const auto pre_copy = [](std::uint32_t device, std::uint32_t idx) {
        return Arrival{.device = {device}, .idx = idx, .bytes = 1, .pre_copy = true};
    };
    CHECK(reassembly.admit(ChannelId{0}, pre_copy(0, 0)).error() == Errc::pre_copy_misplaced);
    const auto claim = reassembly.admit(ChannelId{0}, pre_copy(1, 0));
    REQUIRE(claim.has_value());
    REQUIRE(claim->has_value());
    CHECK((*claim)->pre_copy);
    reassembly.received(**claim, 0);
    CHECK(reassembly.next(DeviceId{1})->claim.pre_copy);
    CHECK_FALSE(reassembly.end_pre_copy(DeviceId{1}, 0));
    CHECK(reassembly.end_pre_copy(DeviceId{1}, 1));
    CHECK(reassembly.admit(ChannelId{0}, pre_copy(1, 1)).error() == Errc::pre_copy_misplaced);
}

TEST_CASE("packets are delivered in order up to the last idx there is", "[reassembly]") {
    constexpr std::uint32_t kFirst = 0xfffffffe - 70;  // More than a window.
    Reassembly reassembly({.buffer_bytes = 4096, .buffers = 2, .channels = 1, .first_idx = kFirst},
                          1);
    for (std::uint32_t idx = kFirst; idx != limits::kIdxReserved; ++idx) {
        const bool config = idx + 1 == limits::kIdxReserved;
        const auto claim = reassembly.admit(
            ChannelId{0}, {.device = {0}, .idx = idx, .bytes = 16, .config = config});
        REQUIRE((claim.has_value() && claim->has_value()));
        reassembly.received(**claim, 0);
        REQUIRE(reassembly.next(DeviceId{0})->claim.idx == idx);
        reassembly.loaded(DeviceId{0});
        reassembly.check_invariants();
    }
    CHECK(reassembly.complete());
}

}  // namespace
}  // namespace multifd

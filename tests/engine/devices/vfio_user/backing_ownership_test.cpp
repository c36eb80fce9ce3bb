#include "engine/devices/vfio_user/backing_ownership.hpp"

#include <catch2/catch.hpp>

namespace multifd::vfio_user {

using Step = BackingOwnership::Step;

TEST_CASE("the backing is released when the last device has stopped", "[vfio_user]") {
    BackingOwnership ownership({true, true, true});
    CHECK(ownership.held());
    CHECK(ownership.stopped(1) == Step::none);
    CHECK(ownership.stopped(1) == Step::none);
    CHECK(ownership.stopped(0) == Step::none);
    CHECK(ownership.held());
    CHECK(ownership.stopped(2) == Step::release);
    CHECK_FALSE(ownership.held());
    CHECK(ownership.stopped(2) == Step::none);
}

TEST_CASE("it is taken once, before the first device runs", "[vfio_user]") {
    BackingOwnership ownership({false, false});
    CHECK_FALSE(ownership.held());
    CHECK(ownership.before_running(1) == Step::take);
    // It could not be had: nothing has changed.
    CHECK(ownership.before_running(0) == Step::take);
    ownership.runs(0);
    CHECK(ownership.held());
    CHECK(ownership.before_running(1) == Step::none);
    ownership.runs(1);
    CHECK(ownership.stopped(0) == Step::none);
    CHECK(ownership.stopped(1) == Step::release);
}

TEST_CASE("a migration that is undone leaves the next one possible", "[vfio_user]") {
    BackingOwnership ownership({true, true});
    for (int migration = 0; migration < 3; ++migration) {
        CAPTURE(migration);
        // Undone when only one has stopped: nothing was released.
        CHECK(ownership.stopped(0) == Step::none);
        CHECK(ownership.before_running(0) == Step::none);
        ownership.runs(0);
        // Undone when both have.
        CHECK(ownership.stopped(1) == Step::none);
        CHECK(ownership.stopped(0) == Step::release);
        CHECK(ownership.before_running(1) == Step::take);
        ownership.runs(1);
        CHECK(ownership.before_running(0) == Step::none);
        ownership.runs(0);
    }
}

TEST_CASE("a device that could not run after all gives the backing back", "[vfio_user]") {
    BackingOwnership ownership({false});
    CHECK(ownership.before_running(0) == Step::take);
    ownership.runs(0);
    CHECK(ownership.stopped(0) == Step::release);
}

// Every sequence of stops and starts of three devices, six long, against what the words say.
TEST_CASE("the backing is held exactly while a device runs", "[vfio_user]") {
    constexpr unsigned kDevices = 3;
    constexpr unsigned kMoves = 2 * kDevices;
    constexpr unsigned kLength = 6;
    unsigned sequences = 1;
    for (unsigned i = 0; i < kLength; ++i) sequences *= kMoves;
    for (unsigned sequence = 0; sequence < sequences; ++sequence) {
        BackingOwnership ownership({true, false, true});
        std::vector<bool> runs{true, false, true};
        bool held = true;
        for (unsigned step = 0, code = sequence; step < kLength; ++step, code /= kMoves) {
            const std::size_t device = code % kMoves / 2;
            if (code % 2 == 0) {
                const Step wanted = ownership.stopped(device);
                runs[device] = false;
                if (wanted == Step::release) held = false;
            } else {
                if (ownership.before_running(device) == Step::take) held = true;
                ownership.runs(device);
                runs[device] = true;
            }
            const bool any = runs[0] || runs[1] || runs[2];
            if (held != any || ownership.held() != any) {
                CAPTURE(sequence, step);
                FAIL("held " << held << ", some device runs " << any);
            }
        }
    }
}

}  // namespace multifd::vfio_user

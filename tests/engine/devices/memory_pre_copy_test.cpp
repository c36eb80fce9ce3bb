#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <vector>

#include "engine/devices/dirty_ring.hpp"
#include "engine/devices/memory_device.hpp"
#include "tests/engine/devices/device_transfer.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;
using test::Bytes;
using test::ClockedDevice;
using test::make_destination;
using test::make_source;
using test::SavedState;

TEST_CASE("a ring's arithmetic is that of a list of generations, page by page", "[dirty_ring]") {
    const std::uint64_t bytes = GENERATE(1U, 4096U, 4097U, 5U * 4096U, 7U * 4096U - 1U);
    DirtyRing ring(bytes);
    std::vector<std::uint64_t> generations(ring.pages(), 0);
    std::size_t next = 0;
    for (int step = 0; step < 200; ++step) {
        ring.write(static_cast<std::uint64_t>(step % 5));
        for (int write = 0; write < step % 5; ++write) {
            ++generations[next];
            next = (next + 1) % generations.size();
        }
        std::uint64_t first = ring.oldest();
        std::uint64_t covered = 0;
        while (first < ring.writes()) {
            const PageRun run = ring.run(first, ring.writes(), 3);
            const std::uint64_t pages = (run.bytes + 4095) / 4096;
            REQUIRE(pages >= 1);
            REQUIRE(pages <= 3);
            for (std::uint64_t page = 0; page < pages; ++page) {
                CHECK(generations[run.offset / 4096 + page] == run.generation);
                CHECK(ring.write_number(run.offset + page * 4096, run.generation) == first + page);
            }
            covered += run.bytes;
            first += pages;
        }
        REQUIRE(covered == bytes);
    }
}

TEST_CASE("a ring of no pages stays so", "[dirty_ring]") {
    DirtyRing ring(0);
    ring.write(5);
    CHECK(ring.writes() == 0);
    CHECK(ring.untouched());
    CHECK(ring.run(0, 0, 5).bytes == 0);
}

/// Reads what a running device has for now, in rounds with a pause between them, then stops it and
/// reads the rest.
SavedState pre_copy(const ClockedDevice& source, int rounds, std::chrono::nanoseconds pause,
                    std::uint32_t seed) {
    std::mt19937 random(seed);
    SavedState saved;
    REQUIRE(source->set_state(DeviceState::pre_copy).ok());
    Bytes buffer(64U << 10U);
    for (int round = 0; round < rounds; ++round) {
        PreCopySizes before;
        REQUIRE(source->pre_copy_sizes(before).ok());
        const std::size_t size = saved.state.size();
        // Sometimes only a part, so that the device stops in the middle of a record.
        if (random() % 4 == 0) {
            const auto got = source->read(std::span(buffer).first(random() % buffer.size()));
            REQUIRE(got.ok());
            saved.state.insert(saved.state.end(), buffer.begin(),
                               buffer.begin() + static_cast<std::ptrdiff_t>(got.value));
        } else {
            REQUIRE(test::read_all(*source, saved.state, random, 1U << 20U).ok());
            CHECK(saved.state.size() - size == before.initial_bytes + before.dirty_bytes);
        }
        source.clock->pass(pause);
    }
    const SavedState rest = test::save(*source, seed);
    saved.state.insert(saved.state.end(), rest.state.begin(), rest.state.end());
    saved.config = rest.config;
    return saved;
}

TEST_CASE("what is dirtied while it runs arrives in its last generation", "[memory_pre_copy]") {
    const auto* const size = GENERATE("0", "1", "4096", "10000", "1MiB", "3000001");
    const auto* const rate = GENERATE("0", "1MiB/s", "100MiB/s", "1GiB/s");
    const auto* const more = GENERATE("", ",p2p=off", ",compressible=50");
    const int rounds = GENERATE(0, 1, 7);
    const auto seed = GENERATE(take(1, random(0U, ~0U)));
    CAPTURE(size, rate, more, rounds, seed);
    const auto source =
        make_source(std::string("precopy=on,seed=7,size=") + size + ",dirty-rate=" + rate + more);
    const SavedState saved = pre_copy(source, rounds, 3ms, seed);

    const auto told = make_destination(std::string("seed=7,held=on,size=") + size);
    const CallResult loaded = test::load(*told, saved, seed);
    CHECK(loaded.detail == "");
    REQUIRE(loaded.ok());
    CHECK(told->content() == source->content());

    const auto untold = make_destination("");
    REQUIRE(test::load(*untold, saved, seed + 1).ok());
    CHECK(untold->content() == source->content());
    // A loaded state with generations is sent on with them, though this device has no pre-copy.
    const auto third = make_destination("");
    REQUIRE(test::load(*third, test::save(*untold, seed)).ok());
    CHECK(third->content() == source->content());
}

TEST_CASE("pre-copy converges when it is read faster than it is dirtied, and not otherwise",
          "[memory_pre_copy]") {
    const bool fast = GENERATE(true, false);
    const auto source = make_source(std::string("precopy=on,size=64MiB,dirty-rate=100MiB/s,") +
                                    "read-rate=" + (fast ? "1GiB/s" : "80MiB/s"));
    REQUIRE(source->set_state(DeviceState::pre_copy).ok());
    Bytes buffer(1U << 20U);
    std::uint64_t bytes = 0;
    while (bytes < 400U << 20U) {
        const CallResult got = source->read(buffer);
        REQUIRE(got.ok());
        if (got.value == 0) source.clock->pass(1ms);
        bytes += std::max<std::uint64_t>(got.value, 1U << 12U);
    }
    const std::uint64_t left = source->stop_copy_size().value;
    CAPTURE(left);
    if (fast) {
        CHECK(left < 1U << 20U);
    } else {
        CHECK(left > 60U << 20U);
    }
}

TEST_CASE("the initial data is the first MiB, and is sent once", "[memory_pre_copy]") {
    const auto source = make_source("precopy=on,size=4MiB,dirty-rate=1GiB/s");
    REQUIRE(source->set_state(DeviceState::pre_copy).ok());
    PreCopySizes sizes;
    REQUIRE(source->pre_copy_sizes(sizes).ok());
    CHECK(sizes.initial_bytes == (1U << 20U) + 48);
    Bytes buffer(1U << 20U);
    REQUIRE(source->read(buffer).ok());
    REQUIRE(source->read(std::span(buffer).first(96)).ok());
    REQUIRE(source->pre_copy_sizes(sizes).ok());
    CHECK(sizes.initial_bytes == 0);
    source.clock->pass(1s);
    REQUIRE(source->pre_copy_sizes(sizes).ok());
    CHECK(sizes.initial_bytes == 0);
    CHECK(sizes.dirty_bytes >= 4U << 20U);
}

TEST_CASE("a device that goes back to running starts anew, with what it wrote meanwhile kept",
          "[memory_pre_copy]") {
    const auto source = make_source("precopy=on,size=1MiB,dirty-rate=100MiB/s");
    static_cast<void>(pre_copy(source, 3, 5ms, 1));
    REQUIRE(source->set_state(DeviceState::running).ok());
    const MemoryContent before = source->content();
    CHECK(before.writes > 256);
    // It writes in pre-copy only.
    source.clock->pass(1s);
    CHECK(source->stop_copy_size().ok());
    CHECK(source->content() == before);
    const SavedState saved = pre_copy(source, 4, 5ms, 2);
    const auto destination = make_destination("");
    REQUIRE(test::load(*destination, saved).ok());
    CHECK(destination->content().writes > before.writes);
    CHECK(destination->content() == source->content());
}

TEST_CASE("P2P in between keeps the stream", "[memory_pre_copy]") {
    const auto source = make_source("precopy=on,size=1MiB,dirty-rate=100MiB/s");
    std::mt19937 random(5);
    SavedState saved;
    REQUIRE(source->set_state(DeviceState::pre_copy).ok());
    REQUIRE(test::read_all(*source, saved.state, random, 1U << 20U).ok());
    source.clock->pass(1ms);
    REQUIRE(source->set_state(DeviceState::pre_copy_p2p).ok());
    source.clock->pass(1ms);
    REQUIRE(test::read_all(*source, saved.state, random, 1U << 20U).ok());
    source.clock->pass(1ms);
    const SavedState rest = test::save(*source);
    saved.state.insert(saved.state.end(), rest.state.begin(), rest.state.end());
    saved.config = rest.config;
    const auto destination = make_destination("");
    REQUIRE(test::load(*destination, saved).ok());
    // 3 ms at 100 MiB/s dirty 76 whole pages.
    CHECK(destination->content().writes == 256 + 76);
}

TEST_CASE("a device that lends takes records through its calls, not in its lent memory",
          "[memory_pre_copy]") {
    const auto source = make_source("precopy=on,size=1MiB");
    const SavedState saved = test::save(*source);
    const auto destination = make_destination("lend=on,size=1MiB");
    SECTION("through calls") {
        REQUIRE(test::load(*destination, saved).ok());
        CHECK(destination->content() == source->content());
    }
    SECTION("in lent memory") {
        REQUIRE(destination->set_state(DeviceState::resuming).ok());
        const auto lent = destination->lend();
        std::copy_n(saved.state.begin(), lent.size(), lent.begin());
        CHECK(destination->wrote_lent(lent).detail ==
              "pre-copy records came as if they were the state itself, in its lent memory");
    }
}

TEST_CASE("the DMA log of a memory device is of the pages that it writes", "[memory_pre_copy]") {
    auto source = make_source("size=64KiB,precopy=on,dirty-rate=8KiB");
    REQUIRE(source->traits().dma_logging);
    REQUIRE(source->set_state(DeviceState::pre_copy).ok());
    source.clock->pass(std::chrono::seconds(1));
    const std::array<DmaRange, 1> memory{{{0, 64 * 1024}}};
    REQUIRE(source->start_dma_logging(4096, memory).ok());
    source.clock->pass(std::chrono::seconds(1));
    std::array<std::uint64_t, 1> bitmap{};
    REQUIRE(source->report_dma_logging(memory[0], 4096, bitmap).ok());
    // Pages 0 and 1 were written before the log began.
    CHECK(bitmap[0] == 0b1100);

    SECTION("and of none after it stopped") {
        REQUIRE(source->set_state(DeviceState::stop_copy).ok());
        source.clock->pass(std::chrono::seconds(1));
        bitmap = {};
        REQUIRE(source->report_dma_logging(memory[0], 4096, bitmap).ok());
        CHECK(bitmap[0] == 0);
        CHECK(source->stop_dma_logging().ok());
    }
    SECTION("and ends with a reset") {
        REQUIRE(source->reset().ok());
        CHECK_FALSE(source->stop_dma_logging().ok());
    }
}

}  // namespace
}  // namespace multifd

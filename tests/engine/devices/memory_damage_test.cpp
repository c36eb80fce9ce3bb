// Whatever happens to a state on its way, the destination's device finds it by itself.
#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <vector>

#include "engine/devices/memory_device.hpp"
#include "tests/engine/devices/device_transfer.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;
using test::Bytes;
using test::make_destination;
using test::make_source;
using test::SavedState;

/// A stream cut into packets, as the engine does it: all but the last of one size.
using Packets = std::vector<Bytes>;

Packets cut(const Bytes& state, std::size_t packet_bytes) {
    Packets packets;
    for (std::size_t offset = 0; offset < state.size(); offset += packet_bytes) {
        const std::size_t end = std::min(state.size(), offset + packet_bytes);
        packets.emplace_back(state.begin() + static_cast<std::ptrdiff_t>(offset),
                             state.begin() + static_cast<std::ptrdiff_t>(end));
    }
    return packets;
}

Bytes joined(const Packets& packets) {
    Bytes state;
    for (const Bytes& packet : packets) state.insert(state.end(), packet.begin(), packet.end());
    return state;
}

struct Form {
    const char* name;
    const char* source;
    const char* destination;
};

constexpr Form kPlain{"plain", "size=300000,seed=7", "seed=7,size=300000"};
constexpr Form kLearnt{"learnt", "size=300000,seed=7", ""};
constexpr Form kCheap{"cheap", "size=300000,seed=7,compressible=100", ""};
constexpr Form kHeld{"held", "size=300000,seed=7", "held=on,size=300000"};
constexpr Form kRecords{"records", "size=300000,seed=7,precopy=on,dirty-rate=20MiB/s", ""};

SavedState saved_of(const Form& form) {
    const auto source = make_source(form.source);
    SavedState saved;
    if (source->traits().pre_copy) {
        std::mt19937 random(1);
        REQUIRE(source->set_state(DeviceState::pre_copy).ok());
        REQUIRE(test::read_all(*source, saved.state, random, 1U << 20U).ok());
        source.clock->pass(10ms);
    }
    const SavedState rest = test::save(*source);
    saved.state.insert(saved.state.end(), rest.state.begin(), rest.state.end());
    saved.config = rest.config;
    return saved;
}

std::string load_failure(const Form& form, const SavedState& saved) {
    const auto destination = make_destination(form.destination);
    const CallResult result = test::load(*destination, saved, 1, 4096);
    if (result.ok()) return "";
    CHECK(destination->state() == DeviceState::resuming);
    return result.detail;
}

TEST_CASE("a packet lost, doubled, swapped, emptied or replaced is found", "[memory_damage]") {
    const Form form = GENERATE(kPlain, kLearnt, kCheap, kHeld, kRecords);
    const std::size_t packet_bytes = GENERATE(4096U, 10000U, 65536U);
    CAPTURE(form.name, packet_bytes);
    SavedState saved = saved_of(form);
    REQUIRE(load_failure(form, saved).empty());
    const Packets packets = cut(saved.state, packet_bytes);
    for (std::size_t index = 0; index < packets.size(); ++index) {
        const std::size_t other = (index + 1) % packets.size();
        const auto place = static_cast<std::ptrdiff_t>(index);
        CAPTURE(index);
        const auto failure_with = [&](const std::function<void(Packets&)>& damage) {
            Packets damaged = packets;
            damage(damaged);
            return load_failure(form, {joined(damaged), saved.config});
        };
        CHECK_FALSE(failure_with([&](Packets& all) { all.erase(all.begin() + place); }).empty());
        CHECK_FALSE(failure_with([&](Packets& all) {
                        const Bytes copy = all[index];
                        all.insert(all.begin() + place, copy);
                    }).empty());
        CHECK_FALSE(failure_with([&](Packets& all) { std::swap(all[index], all[other]); }).empty());
        CHECK_FALSE(failure_with([&](Packets& all) {
                        std::ranges::fill(all[index], std::byte{});
                    }).empty());
        CHECK_FALSE(failure_with([&](Packets& all) {
                        const std::size_t size = all[index].size();
                        all[index] = all[other];
                        all[index].resize(size);
                    }).empty());
    }
}

TEST_CASE("a state that is cut short anywhere, or goes on, is refused", "[memory_damage]") {
    const Form form = GENERATE(kPlain, kLearnt, kCheap, kHeld, kRecords);
    CAPTURE(form.name);
    const SavedState saved = saved_of(form);
    const std::size_t whole = saved.state.size();
    for (const std::size_t bytes :
         {std::size_t{0}, std::size_t{1}, std::size_t{8}, whole / 2, whole - 48, whole - 1}) {
        CAPTURE(bytes);
        SavedState damaged = saved;
        damaged.state.resize(bytes);
        const std::string failure = load_failure(form, damaged);
        CHECK_FALSE(failure.empty());
        // A single byte of records does not yet look like records.
        if (form.name != kRecords.name || bytes != 1) CHECK_THAT(failure, Catch::Contains("short"));
    }
    for (const std::byte more : {std::byte{0}, std::byte{0x55}}) {
        SavedState damaged = saved;
        damaged.state.push_back(more);
        const std::string failure = load_failure(form, damaged);
        CAPTURE(failure);
        // Half a record after the last one is not yet wrong bytes, but is found at the end.
        CHECK_FALSE(failure.empty());
    }
}

TEST_CASE("one flipped bit is found, and named by its offset where it is content",
          "[memory_damage]") {
    const Form form = GENERATE(kPlain, kLearnt, kCheap, kHeld, kRecords);
    const auto seed = GENERATE(take(1, random(0U, ~0U)));
    CAPTURE(form.name, seed);
    std::mt19937 random(seed);
    SavedState saved = saved_of(form);
    for (int attempt = 0; attempt < 300; ++attempt) {
        // The first bytes and the last have the structure in them.
        std::size_t place = random() % saved.state.size();
        if (attempt % 3 == 0) place %= 200;
        if (attempt % 3 == 1) place = saved.state.size() - 1 - place % 200;
        CAPTURE(place);
        const std::byte mask{static_cast<unsigned char>(1U << random() % 8)};
        saved.state[place] ^= mask;
        const std::string failure = load_failure(form, saved);
        saved.state[place] ^= mask;
        REQUIRE_FALSE(failure.empty());
        if (form.name == kPlain.name && place >= 8) {
            CHECK_THAT(failure, Catch::Contains("offset " + std::to_string(place) + " is wrong"));
        }
    }
}

TEST_CASE("every flipped bit of a config state is found", "[memory_damage]") {
    const Form form = GENERATE(kPlain, kLearnt, kRecords);
    SavedState saved = saved_of(form);
    for (std::size_t place = 0; place < saved.config.size(); ++place) {
        if (place > 100 && place % 97 != 0) continue;
        CAPTURE(form.name, place);
        saved.config[place] ^= std::byte{4};
        CHECK_FALSE(load_failure(form, saved).empty());
        saved.config[place] ^= std::byte{4};
    }
    saved.config.pop_back();
    CHECK_FALSE(load_failure(form, saved).empty());
    saved.config.clear();
    CHECK_FALSE(load_failure(form, saved).empty());
}

TEST_CASE("the config state of another state is refused", "[memory_damage]") {
    const auto saved = test::save(*make_source("size=300000,seed=7"));
    for (const char* other :
         {"size=300001,seed=7", "size=300000,seed=8", "size=300000,seed=7,compressible=1"}) {
        const auto foreign = test::save(*make_source(other));
        CHECK_FALSE(load_failure(kLearnt, {saved.state, foreign.config}).empty());
    }
    CHECK_FALSE(load_failure(kLearnt, {saved.state, saved_of(kRecords).config}).empty());
}

/// Records as a faulty source might send them: each with a right head, but not the right ones.
class RecordStream {
  public:
    explicit RecordStream(std::uint64_t bytes) : content_({7, 0}), ring_(bytes) {
        record({MemoryRecordKind::opening, 0, 7, bytes, 0});
    }
    void pages(std::uint64_t first_page, std::uint64_t count, std::uint64_t generation) {
        record({MemoryRecordKind::pages, 0, first_page * 4096, count * 4096, generation});
        Bytes bytes(count * 4096);
        content_.fill(bytes, {first_page * 4096, generation});
        saved_.state.insert(saved_.state.end(), bytes.begin(), bytes.end());
    }
    void close(std::uint64_t writes) {
        record({MemoryRecordKind::closing, 0, 0, 0, writes});
        saved_.config = make_memory_config({{7, 0}, ring_.state_bytes(), writes}, 4096);
    }
    void record(MemoryRecord head) {
        head.sequence = sequence_++;
        const auto bytes = encode(head);
        saved_.state.insert(saved_.state.end(), bytes.begin(), bytes.end());
    }
    void skip_sequence() { ++sequence_; }
    [[nodiscard]] std::string failure() const { return load_failure(kRecords, saved_); }

  private:
    StateContent content_;
    DirtyRing ring_;
    SavedState saved_;
    std::uint64_t sequence_ = 0;
};

TEST_CASE("records that leave a page out, or in an old generation, are refused",
          "[memory_damage]") {
    RecordStream stream(4 * 4096);
    SECTION("right: all pages, then two of them again") {
        stream.pages(0, 4, 0);
        stream.pages(0, 2, 1);
        stream.close(6);
        CHECK(stream.failure().empty());
    }
    SECTION("right: superseded pages were skipped") {
        stream.pages(0, 2, 0);
        stream.pages(1, 3, 1);
        stream.pages(0, 1, 2);
        stream.close(9);
        CHECK(stream.failure().empty());
    }
    SECTION("a page is missing") {
        stream.pages(0, 2, 0);
        stream.pages(3, 1, 0);
        stream.close(4);
        CHECK(stream.failure() == "the state ended with pages in an old generation");
    }
    SECTION("the last page is missing") {
        stream.pages(0, 3, 0);
        stream.close(4);
        CHECK(stream.failure() == "the state ended with pages in an old generation");
    }
    SECTION("a page's last generation is missing") {
        stream.pages(0, 4, 0);
        stream.pages(0, 1, 1);
        stream.close(6);
        CHECK(stream.failure() == "the state ended with pages in an old generation");
    }
    SECTION("a page comes in an older generation than before") {
        stream.pages(0, 4, 1);
        stream.pages(0, 4, 0);
        stream.close(8);
        CHECK(stream.failure() == "pages at offset 0 came in generation 0 after newer ones");
    }
    SECTION("a record is missing") {
        stream.pages(0, 4, 0);
        stream.skip_sequence();
        stream.close(4);
        CHECK(stream.failure() == "record 3 of the state came where record 2 should be");
    }
    SECTION("nothing came of it") {
        stream.close(4);
        CHECK_FALSE(stream.failure().empty());
    }
    SECTION("fewer writes than pages") {
        stream.close(0);
        CHECK_FALSE(stream.failure().empty());
    }
}

TEST_CASE("records that cannot stand where they do, or have impossible numbers, are refused",
          "[memory_damage]") {
    RecordStream stream(4 * 4096);
    SECTION("another opening") {
        stream.record({MemoryRecordKind::opening, 0, 7, 4 * 4096, 0});
        CHECK_THAT(stream.failure(), Catch::Contains("cannot stand there"));
    }
    SECTION("pages after the closing") {
        stream.pages(0, 4, 0);
        stream.close(4);
        stream.pages(0, 4, 1);
        CHECK_THAT(stream.failure(), Catch::Contains("cannot stand there"));
    }
    SECTION("numbers out of range") {
        const MemoryRecord wrong =
            GENERATE(MemoryRecord{MemoryRecordKind::pages, 0, 1, 4096, 0},
                     MemoryRecord{MemoryRecordKind::pages, 0, 0, 4095, 0},
                     MemoryRecord{MemoryRecordKind::pages, 0, 0, 0, 0},
                     MemoryRecord{MemoryRecordKind::pages, 0, 4 * 4096, 4096, 0},
                     MemoryRecord{MemoryRecordKind::pages, 0, 4096, 4 * 4096, 0},
                     MemoryRecord{MemoryRecordKind::pages, 0, 4096, ~0ULL - 4095, 0},
                     MemoryRecord{MemoryRecordKind::pages, 0, ~0ULL - 4095, 4096, 0},
                     MemoryRecord{MemoryRecordKind::pages, 0, 0, 4096, ~0ULL});
        stream.record(wrong);
        CHECK_THAT(stream.failure(), Catch::Contains("out of range"));
    }
}

TEST_CASE("an opening record out of range is refused", "[memory_damage]") {
    const MemoryRecord wrong =
        GENERATE(MemoryRecord{MemoryRecordKind::opening, 0, kContentSeedMax + 1, 0, 0},
                 MemoryRecord{MemoryRecordKind::opening, 0, 0, kContentBytesMax + 1, 0},
                 MemoryRecord{MemoryRecordKind::opening, 0, 0, 0, 101});
    const auto bytes = encode(wrong);
    CHECK_THAT(load_failure(kRecords, {Bytes(bytes.begin(), bytes.end()), {}}),
               Catch::Contains("out of range"));
}

}  // namespace
}  // namespace multifd

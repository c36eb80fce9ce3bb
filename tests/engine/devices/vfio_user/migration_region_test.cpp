#include "engine/devices/vfio_user/migration_region.hpp"

#include <catch2/catch.hpp>
#include <cstring>

#include "tests/engine/devices/vfio_user/served_fixture.hpp"

namespace multifd::vfio_user {
namespace {

using test::Served;

constexpr std::uint64_t kState = 0;
constexpr std::uint64_t kPending = 8;
constexpr std::uint64_t kOffset = 16;
constexpr std::uint64_t kSize = 24;
constexpr std::uint64_t kData = MigrationRegion::kDataOffset;

constexpr std::uint32_t kStopped = 0;
constexpr std::uint32_t kRunning = 1;
constexpr std::uint32_t kStopAndCopy = 2;
constexpr std::uint32_t kPreCopy = 3;
constexpr std::uint32_t kResuming = 4;

/// A client of the older interface.
struct Client {
    explicit Client(ServedDevice& device) : region(device) {}

    template <class T>
    T get(std::uint64_t offset) {
        T value = 0;
        const CallResult read = region.read(offset, std::as_writable_bytes(std::span(&value, 1)));
        INFO(read.detail);
        REQUIRE(read.ok());
        return value;
    }
    template <class T>
    CallResult set(std::uint64_t offset, T value) {
        return region.write(offset, std::as_bytes(std::span(&value, 1)));
    }
    std::uint64_t pending() { return get<std::uint64_t>(kPending); }
    Bytes window(std::size_t first, std::size_t count) {
        Bytes bytes(count);
        REQUIRE(region.read(kData + first, bytes).ok());
        return bytes;
    }
    /// All that is left, in whole windows.
    Bytes save() {
        Bytes all;
        while (pending() != 0) {
            CHECK(get<std::uint64_t>(kOffset) == kData);
            const Bytes part = window(0, get<std::uint64_t>(kSize));
            all.insert(all.end(), part.begin(), part.end());
        }
        return all;
    }
    CallResult load(ConstBytes state, std::size_t piece) {
        for (std::size_t at = 0; at < state.size(); at += piece) {
            const ConstBytes part = state.subspan(at, std::min(piece, state.size() - at));
            const auto offset = get<std::uint64_t>(kOffset);
            CallResult done = region.write(offset, part);
            if (done.ok()) done = set(kSize, std::uint64_t{part.size()});
            if (!done.ok()) return done;
        }
        return CallResult::success();
    }

    MigrationRegion region;
};

}  // namespace

TEST_CASE("a state goes through the window, from one device to another", "[vfio_user]") {
    Served source("size=300000");
    Client saver(source.served);
    CHECK(saver.get<std::uint32_t>(kState) == kRunning);
    REQUIRE(saver.set(kState, kStopAndCopy).ok());
    CHECK(saver.get<std::uint32_t>(kState) == kStopAndCopy);
    const Bytes state = saver.save();
    CHECK(state.size() > 300000);
    CHECK(saver.pending() == 0);
    REQUIRE(saver.set(kState, kStopped).ok());

    for (const std::size_t piece : {1000U, 65535U, 65536U}) {
        CAPTURE(piece);
        Served target("", Role::destination);
        Client loader(target.served);
        REQUIRE(loader.set(kState, kResuming).ok());
        const CallResult loaded = loader.load(state, piece);
        INFO(loaded.detail);
        REQUIRE(loaded.ok());
        CHECK(loader.set(kState, kRunning).ok());
        CHECK(target.device->stop_copy_size().value == 300000);
    }
}

TEST_CASE("the data stays, and is read in any parts, until pending_bytes is read again",
          "[vfio_user]") {
    Served source("size=300000");
    Client client(source.served);
    REQUIRE(client.set(kState, kStopAndCopy).ok());
    const std::uint64_t pending = client.pending();
    CHECK(pending >= 300000);
    // Before the data is known to the client, reading it again changes nothing.
    CHECK(client.pending() == pending);
    CHECK(client.get<std::uint64_t>(kOffset) == kData);
    const auto size = client.get<std::uint64_t>(kSize);
    CHECK(size == MigrationRegion::kWindowBytes);
    const Bytes whole = client.window(0, size);
    CHECK(client.window(0, size) == whole);
    CHECK(client.window(100, 50) == Bytes(whole.begin() + 100, whole.begin() + 150));
    CHECK(client.window(size - 1, 1).front() == whole.back());
    CHECK(client.window(0, 0).empty());
    CHECK(client.get<std::uint64_t>(kSize) == size);
    CHECK(client.window(0, 10) == Bytes(whole.begin(), whole.begin() + 10));
    // Now it is consumed, all at once.
    // The estimate does not know the heads of the sections that are still to come.
    const std::uint64_t left = client.pending();
    CHECK(left >= pending - size);
    CHECK(left < pending - size + 100);
    CHECK(client.get<std::uint64_t>(kOffset) == kData);
    CHECK(client.window(0, 100) != Bytes(whole.begin(), whole.begin() + 100));
}

TEST_CASE("registers alone consume nothing", "[vfio_user]") {
    Served source("size=300000");
    Client client(source.served);
    REQUIRE(client.set(kState, kStopAndCopy).ok());
    const std::uint64_t pending = client.pending();
    Bytes two(2);
    CHECK_FALSE(client.region.read(kSize, two).ok());
    CHECK_FALSE(client.region.read(kOffset, two).ok());
    // What was refused has offered nothing.
    CHECK_FALSE(client.region.read(kData, two).ok());
    CHECK(client.get<std::uint64_t>(kOffset) == kData);
    const auto size = client.get<std::uint64_t>(kSize);
    CHECK(client.window(0, 0).empty());
    CHECK(client.pending() == pending);
    const Bytes first = client.window(0, size);
    CHECK_FALSE(client.region.read(kPending, two).ok());
    CHECK(client.window(0, size) == first);

    Served other("size=300000");
    Client another(other.served);
    REQUIRE(another.set(kState, kStopAndCopy).ok());
    REQUIRE(another.pending() > 0);
    CHECK(another.window(0, another.get<std::uint64_t>(kSize)) == first);
}

TEST_CASE("what the device does not take stays in the window", "[vfio_user]") {
    Served target("", Role::destination);
    Client client(target.served);
    REQUIRE(client.set(kState, kResuming).ok());
    const Bytes no_state(100, std::byte{0xff});
    REQUIRE(client.region.write(kData, no_state).ok());
    CHECK_FALSE(client.set(kSize, std::uint64_t{100}).ok());
    // A write that goes on where the last one ended leaves no gap.
    CHECK(client.region.write(kData + 100, no_state).ok());
}

TEST_CASE("what is not in the window is not read", "[vfio_user]") {
    Served source("size=1000");
    Client client(source.served);
    Bytes bytes(10);
    CHECK_FALSE(client.region.read(kData, bytes).ok());
    REQUIRE(client.set(kState, kStopAndCopy).ok());
    REQUIRE(client.pending() > 0);
    // Before data_offset was read nothing has been offered.
    CHECK_FALSE(client.region.read(kData, bytes).ok());
    const auto size = client.get<std::uint64_t>(kSize);
    CHECK(client.region.read(kData + size - 10, bytes).ok());
    CHECK_FALSE(client.region.read(kData + size - 9, bytes).ok());
    CHECK_FALSE(client.region.read(MigrationRegion::kBytes - 9, bytes).ok());
    CHECK_FALSE(client.region.read(UINT64_MAX - 4, bytes).ok());
    CHECK_FALSE(client.region.write(kData, bytes).ok());
}

TEST_CASE("writes with gaps or past the window are refused", "[vfio_user]") {
    Served target("", Role::destination);
    Client client(target.served);
    REQUIRE(client.set(kState, kResuming).ok());
    const Bytes ten(10);
    CHECK(client.region.write(kData + 1, ten).detail.find("gap") != std::string::npos);
    CHECK(client.region.write(kData, ten).ok());
    CHECK_FALSE(client.region.write(kData + 11, ten).ok());
    CHECK(client.region.write(kData + 10, ten).ok());
    CHECK(client.region.write(kData + 5, ten).ok());
    CHECK_FALSE(client.set(kSize, std::uint64_t{21}).ok());
    CHECK_FALSE(client.set(kSize, UINT64_MAX).ok());
    CHECK(client.region.write(kData, Bytes(MigrationRegion::kWindowBytes)).ok());
    CHECK_FALSE(client.region.write(kData, Bytes(MigrationRegion::kWindowBytes + 1)).ok());
    CHECK_FALSE(client.region.write(kData + MigrationRegion::kWindowBytes, ten).ok());
    CHECK_FALSE(client.region.write(UINT64_MAX - 4, ten).ok());
}

TEST_CASE("registers are what they are", "[vfio_user]") {
    Served source("size=1000");
    Client client(source.served);
    Bytes two(2);
    CHECK_FALSE(client.region.read(kState, two).ok());
    CHECK_FALSE(client.region.write(kState, two).ok());
    CHECK_FALSE(client.region.read(kPending, two).ok());
    CHECK_FALSE(client.region.read(32, two).ok());
    CHECK_FALSE(client.region.write(kPending, Bytes(8)).ok());
    CHECK_FALSE(client.region.write(kOffset, Bytes(8)).ok());
    CHECK_FALSE(client.region.write(kSize, Bytes(8)).ok());
    CHECK(client.get<std::uint32_t>(4) == 0);
    CHECK(client.set(4, std::uint32_t{7}).ok());
    CHECK(client.pending() == 0);
}

TEST_CASE("states are bits, and some are none", "[vfio_user]") {
    Served source("size=1000,precopy=on");
    Client client(source.served);
    for (const std::uint32_t bits : {5U, 6U, 7U, 8U, 0xffffffffU}) {
        CAPTURE(bits);
        CHECK_FALSE(client.set(kState, bits).ok());
        CHECK(client.get<std::uint32_t>(kState) == kRunning);
    }
    for (const std::uint32_t bits : {kStopped, kRunning, kPreCopy, kStopAndCopy, kStopped}) {
        CAPTURE(bits);
        CHECK(client.set(kState, bits).ok());
        CHECK(client.get<std::uint32_t>(kState) == bits);
    }
    CHECK(state_bits(DeviceState::error) == 6);
    CHECK(state_bits(DeviceState::running_p2p) == kRunning);
    CHECK(state_bits(DeviceState::pre_copy_p2p) == kPreCopy);
}

TEST_CASE("pre-copy goes on after the stop, without a byte lost", "[vfio_user]") {
    Served source("size=300000,precopy=on");
    Client client(source.served);
    REQUIRE(client.set(kState, kPreCopy).ok());
    Bytes state;
    REQUIRE(client.pending() > 0);
    CHECK(client.get<std::uint64_t>(kOffset) == kData);
    state = client.window(0, client.get<std::uint64_t>(kSize));
    // Of the second round only pending_bytes has been read when the device is stopped.
    REQUIRE(client.pending() > 0);
    REQUIRE(client.set(kState, kStopAndCopy).ok());
    const Bytes rest = client.save();
    state.insert(state.end(), rest.begin(), rest.end());

    Served target("", Role::destination);
    Client loader(target.served);
    REQUIRE(loader.set(kState, kResuming).ok());
    CHECK(loader.load(state, 65536).ok());
    CHECK(loader.set(kState, kRunning).ok());
}

TEST_CASE("a cancelled save begins anew", "[vfio_user]") {
    Served source("size=300000");
    Client client(source.served);
    REQUIRE(client.set(kState, kStopAndCopy).ok());
    REQUIRE(client.pending() > 0);
    const Bytes first = client.window(0, client.get<std::uint64_t>(kSize));
    REQUIRE(client.set(kState, kRunning).ok());
    REQUIRE(client.set(kState, kStopAndCopy).ok());
    REQUIRE(client.pending() > 0);
    CHECK(client.window(0, client.get<std::uint64_t>(kSize)) == first);
}

}  // namespace multifd::vfio_user

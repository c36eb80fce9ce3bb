#include "engine/devices/vfio_user/served_device.hpp"

#include <catch2/catch.hpp>

#include "engine/devices/device_states.hpp"
#include "engine/devices/vfio_user/state_input.hpp"
#include "engine/devices/vfio_user/state_output.hpp"
#include "tests/engine/devices/vfio_user/served_fixture.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd::vfio_user {
namespace {

using test::memory_device;
using test::read_all;
using test::Served;
using test::write_all;

constexpr std::array kStates{DeviceState::error,    DeviceState::stop,
                             DeviceState::running,  DeviceState::stop_copy,
                             DeviceState::resuming, DeviceState::running_p2p,
                             DeviceState::pre_copy, DeviceState::pre_copy_p2p};

/// The state of a fresh device of 300,000 bytes.
Bytes saved_state(const std::string& options = "size=300000") {
    Served source(options);
    REQUIRE(source.served.set_state(DeviceState::stop_copy).ok());
    return read_all(source.served, 1U << 20U);
}

}  // namespace

TEST_CASE("what is read in pieces of any size is the same", "[vfio_user]") {
    const Bytes whole = saved_state();
    CHECK(whole.size() > 300000);
    for (const std::size_t chunk : {1000U, 4096U, 65536U, 1048576U}) {
        Served source("size=300000", Role::source, chunk);
        REQUIRE(source.served.set_state(DeviceState::stop_copy).ok());
        // Framing differs with the chunk; full reads do not.
        Bytes piece(65536);
        const CallResult got = source.served.read(piece);
        CHECK(got.value == piece.size());
    }
    for (const std::size_t piece : {1U, 7U, 4095U, 65535U, 65536U, 65537U, 70000U}) {
        CAPTURE(piece);
        Served source("size=300000");
        REQUIRE(source.served.set_state(DeviceState::stop_copy).ok());
        CHECK(read_all(source.served, piece) == whole);
        Bytes more(10);
        CHECK(source.served.read(more).value == 0);
    }
}

TEST_CASE("a read is full until the end", "[vfio_user]") {
    Served source("size=300000", Role::source, 1000);
    REQUIRE(source.served.set_state(DeviceState::stop_copy).ok());
    Bytes target(77777);
    std::uint64_t last = target.size();
    std::uint64_t total = 0;
    while (last != 0) {
        const CallResult got = source.served.read(target);
        REQUIRE(got.ok());
        // After a short one comes the end.
        CHECK((last == target.size() || got.value == 0));
        last = got.value;
        total += got.value;
    }
    CHECK(total > 300000);
}

TEST_CASE("what one device gives another one takes, in pieces of any size", "[vfio_user]") {
    const Bytes state = saved_state();
    for (const std::size_t piece : {1U, 13U, 32767U, 32768U, 32769U, 1048576U}) {
        CAPTURE(piece);
        Served target("", Role::destination);
        REQUIRE(target.served.set_state(DeviceState::resuming).ok());
        const CallResult written = write_all(target.served, state, piece);
        INFO(written.detail);
        REQUIRE(written.ok());
        const CallResult applied = target.served.set_state(DeviceState::running);
        INFO(applied.detail);
        CHECK(applied.ok());
        CHECK(target.served.state() == DeviceState::running);
        CHECK(target.device->stop_copy_size().value == 300000);
    }
}

TEST_CASE("a state that is cut short is not applied, and the device can be reset", "[vfio_user]") {
    const Bytes state = saved_state();
    const std::size_t cut = GENERATE(1U, 20U, 5000U, 150000U, 299999U);
    Served target("", Role::destination);
    REQUIRE(target.served.set_state(DeviceState::resuming).ok());
    REQUIRE(write_all(target.served, ConstBytes(state).first(cut), 4096).ok());
    const CallResult applied = target.served.set_state(DeviceState::running);
    CHECK(applied.error == std::errc::bad_message);
    CHECK(target.served.state() == DeviceState::resuming);
    CHECK(target.served.reset().ok());
    CHECK(target.served.state() == DeviceState::running);
    // The next migration finds nothing of it.
    REQUIRE(target.served.set_state(DeviceState::resuming).ok());
    CHECK(write_all(target.served, state, 65536).ok());
    CHECK(target.served.set_state(DeviceState::stop).ok());
}

TEST_CASE("a wrong state is not applied", "[vfio_user]") {
    Bytes state = saved_state();
    Served target("", Role::destination);
    REQUIRE(target.served.set_state(DeviceState::resuming).ok());
    SECTION("bytes after the end") {
        state.push_back(std::byte{0});
    }
    SECTION("another device") {
        state[19] ^= std::byte{1};
    }
    SECTION("another version") {
        state[8] ^= std::byte{2};
    }
    SECTION("a wrong footer") {
        state[state.size() - 3] ^= std::byte{1};
    }
    CHECK_FALSE(write_all(target.served, state, 65536).ok());
    CHECK_FALSE(target.served.set_state(DeviceState::stop).ok());
    CHECK(target.served.state() == DeviceState::resuming);
}

TEST_CASE("an empty state is legal", "[vfio_user]") {
    Served source("size=0,config-size=0");
    REQUIRE(source.served.set_state(DeviceState::stop_copy).ok());
    const Bytes state = read_all(source.served, 100);
    Served target("size=0,config-size=0", Role::destination);
    REQUIRE(target.served.set_state(DeviceState::resuming).ok());
    CHECK(write_all(target.served, state, 3).ok());
    CHECK(target.served.set_state(DeviceState::running).ok());
    // And nothing at all is left to the device.
    REQUIRE(target.served.set_state(DeviceState::resuming).ok());
    CHECK(target.served.set_state(DeviceState::stop).ok());
}

TEST_CASE("every transition goes where the table says, or nowhere", "[vfio_user]") {
    const bool pre_copy = GENERATE(true, false);
    const bool p2p = GENERATE(true, false);
    const std::string options = std::string("size=0,config-size=0,precopy=") +
                                (pre_copy ? "on" : "off") + ",p2p=" + (p2p ? "on" : "off");
    for (const DeviceState from : kStates) {
        for (const DeviceState target : kStates) {
            if (from == DeviceState::error) continue;
            Served served(options);
            if (!served.served.set_state(from).ok()) continue;
            const bool possible =
                from == target || next_state({p2p, pre_copy}, from, target).has_value();
            CAPTURE(to_string(from), to_string(target));
            const CallResult changed = served.served.set_state(target);
            CHECK(changed.ok() == possible);
            CHECK(served.served.state() == (possible ? target : from));
            if (!possible) CHECK(changed.error == std::errc::invalid_argument);
        }
    }
}

TEST_CASE("reading and writing have their states", "[vfio_user]") {
    Served served("size=4096,precopy=on");
    Bytes bytes(10);
    for (const DeviceState state : {DeviceState::running, DeviceState::stop}) {
        REQUIRE(served.served.set_state(state).ok());
        CHECK(served.served.read(bytes).error == std::errc::invalid_argument);
        CHECK(served.served.write(bytes).error == std::errc::invalid_argument);
    }
    REQUIRE(served.served.set_state(DeviceState::pre_copy).ok());
    CHECK(served.served.read(bytes).value == 10);
    CHECK_FALSE(served.served.write(bytes).ok());
    REQUIRE(served.served.set_state(DeviceState::resuming).ok());
    CHECK_FALSE(served.served.read(bytes).ok());
}

TEST_CASE("pre-copy gives what there is, and the stop goes on from there", "[vfio_user]") {
    Served source("size=300000,precopy=on");
    REQUIRE(source.served.set_state(DeviceState::pre_copy).ok());
    Bytes state = read_all(source.served, 50000);
    CHECK(state.size() > 300000);
    Bytes more(100);
    CHECK(source.served.read(more).value == 0);
    REQUIRE(source.served.set_state(DeviceState::stop_copy).ok());
    const Bytes rest = read_all(source.served, 50000);
    CHECK(rest.size() < 10000);
    state.insert(state.end(), rest.begin(), rest.end());
    Served target("", Role::destination);
    REQUIRE(target.served.set_state(DeviceState::resuming).ok());
    CHECK(write_all(target.served, state, 65536).ok());
    CHECK(target.served.set_state(DeviceState::running).ok());
}

TEST_CASE("a migration that was cancelled leaves the next one possible", "[vfio_user]") {
    Served source("size=300000,precopy=on");
    for (const DeviceState reached : {DeviceState::pre_copy, DeviceState::stop_copy}) {
        REQUIRE(source.served.set_state(reached).ok());
        Bytes some(1000);
        CHECK(source.served.read(some).value == 1000);
        REQUIRE(source.served.set_state(DeviceState::running).ok());
    }
    REQUIRE(source.served.set_state(DeviceState::stop_copy).ok());
    CHECK(read_all(source.served, 65536) == saved_state("size=300000,precopy=on"));
}

TEST_CASE("no more comes than pending bytes tell, and they shrink to nothing", "[vfio_user]") {
    const std::size_t chunk = GENERATE(4096U, 65536U);
    Served source("size=300000,precopy=on", Role::source, chunk);
    const auto told = [&] { return source.served.pending_bytes().value; };
    for (const bool known : {false, true}) {
        CAPTURE(known, chunk);
        const std::uint64_t before = told();
        REQUIRE(source.served.set_state(DeviceState::pre_copy).ok());
        Bytes half(150000);
        REQUIRE(source.served.read(half).ok());
        const std::uint64_t left = told();
        CHECK(left + half.size() <= before + 100);
        REQUIRE(source.served.set_state(DeviceState::stop_copy).ok());
        const std::uint64_t came = read_all(source.served, 1000).size();
        CHECK(came <= left);
        // Before a config state was seen its largest size counts.
        CHECK(left - came < 1000 + (known ? 0 : SectionLimits::kConfigBytesMax));
        CHECK(told() == 0);
        REQUIRE(source.served.set_state(DeviceState::running).ok());
    }
}

TEST_CASE("a save in which a read failed does not go on with a hole", "[vfio_user]") {
    const std::string fault = GENERATE(as<std::string>{}, "fail=read:3", "throw=read:3");
    Served served("size=300000," + fault);
    REQUIRE(served.served.set_state(DeviceState::stop_copy).ok());
    Bytes bytes(400000);
    CHECK(served.served.read(bytes).error == std::errc::io_error);
    const CallResult again = served.served.read(bytes);
    CHECK(again.error == std::errc::io_error);
    CHECK(again.detail.find("cannot go on") != std::string::npos);
}

TEST_CASE("what a device throws is a failed call", "[vfio_user]") {
    Served served("size=4096,throw=read:1");
    REQUIRE(served.served.set_state(DeviceState::stop_copy).ok());
    Bytes bytes(100000);
    const CallResult got = served.served.read(bytes);
    CHECK(got.error == std::errc::io_error);
    CHECK(got.detail.find("the device threw") != std::string::npos);
    Served poor("size=4096,exhaust=set-state:stop");
    CHECK(poor.served.set_state(DeviceState::stop).error == std::errc::not_enough_memory);
}

TEST_CASE("a device in ERROR is left by reset alone", "[vfio_user]") {
    Served served("size=4096,fail=set-state:stop");
    CHECK(served.served.set_state(DeviceState::stop).error == std::errc::io_error);
    CHECK(served.served.state() == DeviceState::error);
    CHECK(served.served.set_state(DeviceState::running).error == std::errc::invalid_argument);
    CHECK(served.served.reset().ok());
    CHECK(served.served.state() == DeviceState::running);
}

TEST_CASE("a client that goes leaves no transfer behind", "[vfio_user]") {
    struct Case {
        DeviceState left_in;
        DeviceState after;
    };
    const auto given = GENERATE(values<Case>({
        {DeviceState::running, DeviceState::running},
        {DeviceState::running_p2p, DeviceState::running_p2p},
        {DeviceState::stop, DeviceState::stop},
        {DeviceState::pre_copy, DeviceState::running},
        {DeviceState::pre_copy_p2p, DeviceState::running},
        {DeviceState::stop_copy, DeviceState::stop},
        {DeviceState::resuming, DeviceState::stop},
    }));
    CAPTURE(to_string(given.left_in));
    Served served("size=4096,precopy=on");
    REQUIRE(served.served.set_state(given.left_in).ok());
    CHECK(served.served.client_gone().ok());
    CHECK(served.served.state() == given.after);
    Bytes bytes(1);
    CHECK_FALSE(served.served.read(bytes).ok());
    CHECK_FALSE(served.served.write(bytes).ok());
}

TEST_CASE("devices release what they share when all have stopped", "[vfio_user]") {
    const TemporaryFolder folder;
    write_text(folder / "disk.img", "disk");
    SharedBacking here(folder / "disk.img", {true, true});
    SharedBacking there(folder / "disk.img", {false});
    Served first("size=4096", Role::source, 4096, {&here, 0});
    Served second("size=4096", Role::source, 4096, {&here, 1});
    Served other("size=4096,state=stop", Role::source, 4096, {&there, 0});

    REQUIRE(first.served.set_state(DeviceState::stop_copy).ok());
    CHECK(here.held());
    CHECK(other.served.set_state(DeviceState::running).error ==
          std::errc::resource_unavailable_try_again);
    CHECK(other.served.state() == DeviceState::stop);
    REQUIRE(second.served.set_state(DeviceState::running_p2p).ok());
    CHECK(here.held());
    REQUIRE(second.served.set_state(DeviceState::stop).ok());
    CHECK_FALSE(here.held());

    SECTION("the other end runs") {
        CHECK(other.served.set_state(DeviceState::running).ok());
        CHECK_FALSE(first.served.set_state(DeviceState::running).ok());
        CHECK(first.served.state() == DeviceState::stop);
        // A reset would let it run: it stops instead.
        CHECK(second.served.reset().ok());
        CHECK(second.served.state() == DeviceState::stop);
        CHECK_FALSE(here.held());
    }
    SECTION("the migration is undone, and tried again") {
        REQUIRE(first.served.set_state(DeviceState::running).ok());
        CHECK(here.held());
        REQUIRE(second.served.set_state(DeviceState::running).ok());
        REQUIRE(first.served.set_state(DeviceState::stop_copy).ok());
        CHECK(here.held());
        REQUIRE(second.served.set_state(DeviceState::stop_copy).ok());
        CHECK_FALSE(here.held());
        CHECK(other.served.set_state(DeviceState::running).ok());
    }
    SECTION("a reset runs, so it has the backing") {
        CHECK(first.served.reset().ok());
        CHECK(first.served.state() == DeviceState::running);
        CHECK(here.held());
    }
}

TEST_CASE("a device that does not start gives the backing back", "[vfio_user]") {
    const TemporaryFolder folder;
    write_text(folder / "disk.img", "disk");
    SharedBacking backing(folder / "disk.img", {false});
    Served served("size=4096,state=stop,p2p=off,fail=set-state:running", Role::source, 4096,
                  {&backing, 0});
    CHECK_FALSE(served.served.set_state(DeviceState::running).ok());
    CHECK_FALSE(backing.held());
}

}  // namespace multifd::vfio_user

// Peers that break the rules of pre-copy over the channels.
#include <catch2/catch.hpp>

#include "channels/wire/device_state_packet.hpp"
#include "channels/wire/hello.hpp"
#include "tests/engine/sessions/scripted_peer.hpp"

namespace multifd {
namespace {

struct Setting {
    bool pre_copies = true;
    std::size_t packet_bytes = 4096;
    std::string listen{};  ///< A UNIX socket when empty.
};

/// A real destination, and a source that has greeted it with pre-copy on the channels.
struct Scene {
    explicit Scene(const Setting& setting = {}) : destination(setting.listen) {
        destination.settings.max_queued_bytes = 64 * setting.packet_bytes;
        destination.start();
        source.emplace(destination.address());
        source->open();
        source->await_hello();
        auto hello = decode_hello(ScriptedSource::hello()).value();
        hello.features = {std::string(kFeaturePreCopyChannels)};
        hello.devices[0].pre_copies = setting.pre_copies;
        hello.packet_bytes = setting.packet_bytes;
        source->records().command(kCommandHello, encode(hello).value());
        source->records().ping(2);
        source->flush();
        source->hear(ReturnPathType::pong);
        source->connect_all();
        source->send_start();
    }

    static std::vector<std::byte> packet_of(std::uint32_t idx, bool pre_copy, std::size_t size) {
        std::array<std::byte, kDeviceStatePrologueBytes> head;
        const auto data = pattern(size, idx);
        encode(DeviceStateHeader{.idstr = "gpu0",
                                 .idx = idx,
                                 .pre_copy = pre_copy,
                                 .data_bytes = static_cast<std::uint32_t>(data.size())},
               head);
        std::vector<std::byte> whole(head.begin(), head.end());
        whole.insert(whole.end(), data.begin(), data.end());
        return whole;
    }
    void packet(std::uint32_t idx, bool pre_copy) {
        REQUIRE(write_all(source->channels[0], packet_of(idx, pre_copy, 100)));
    }
    std::uint64_t loaded_bytes() {
        source->records().command(kCommandPreCopyQuery);
        source->flush();
        const auto status = decode_pre_copy_status(source->hear(ReturnPathType::pre_copy_status));
        return status.value().entries[0].loaded_bytes;
    }
    void switch_over(std::vector<SwitchoverEntry> entries) {
        source->records().command(kCommandSwitchoverAt, encode_switchover(entries));
        source->flush();
    }
    template <class Write>
    void part(Write write) {
        source->records().section_begin(SectionType::part, 1, "gpu0", 0);
        write(source->records());
        source->records().section_end(1);
        source->flush();
    }
    void expect(const char* code) {
        const auto report = destination.await();
        REQUIRE(report.error);
        INFO(report.error->message);
        CHECK(report.error->code == code);
        CHECK(report.owner == Owner::source);
        CHECK(destination.device->now() == DeviceState::stop);
        CHECK(destination.device->received().empty());
    }

    RunningDestination destination;
    std::optional<ScriptedSource> source;
};

}  // namespace

TEST_CASE("a source that contradicts itself about where pre-copy ends is refused",
          "[session][peer][pre-copy]") {
    SECTION("pre-copy data above a packet of the stopped device") {
        Scene scene;
        scene.packet(0, false);
        scene.packet(1, true);
        scene.expect("pre_copy_misplaced");
    }
    SECTION("a switchover below a pre-copy packet") {
        Scene scene;
        scene.packet(0, true);
        scene.packet(1, true);
        scene.switch_over({{0, 1}});
        scene.expect("pre_copy_misplaced");
    }
    SECTION("a packet of the stopped device below the switchover's idx") {
        Scene scene;
        scene.switch_over({{0, 2}});
        scene.packet(0, true);
        scene.packet(1, false);
        scene.expect("pre_copy_misplaced");
    }
    SECTION("pre-copy data of a device that was not said to have any") {
        Scene scene({.pre_copies = false});
        scene.packet(0, true);
        scene.expect("pre_copy_misplaced");
    }
}

TEST_CASE("a switchover that does not name just the devices that pre-copy is malformed",
          "[session][peer][pre-copy]") {
    Scene scene;
    scene.switch_over(GENERATE(std::vector<SwitchoverEntry>{{1, 0}},
                               std::vector<SwitchoverEntry>{{0, 0}, {0, 0}}));
    scene.expect("message_malformed");
}

TEST_CASE("each end of pre-copy has its own words, and only when it was agreed",
          "[session][peer][pre-copy]") {
    SECTION("SWITCHOVER_START although packets came") {
        Scene scene;
        scene.source->records().switchover_start();
        scene.source->flush();
        scene.expect("command_unexpected");
    }
    SECTION("SWITCHOVER_AT although none can") {
        Scene scene({.pre_copies = false});
        scene.switch_over({{0, 0}});
        scene.expect("command_unexpected");
    }
    SECTION("a question that was not agreed") {
        Scene scene({.pre_copies = false});
        scene.source->records().command(kCommandPreCopyQuery);
        scene.source->flush();
        scene.expect("command_unexpected");
    }
    SECTION("pre-copy data down the main channel too") {
        Scene scene;
        scene.part([](StreamWriter& writer) { writer.data_begin(4); });
        scene.expect("device_token_unexpected");
    }
    SECTION("INIT_DATA_SENT without an idx") {
        Scene scene;
        scene.part([](StreamWriter& writer) { writer.mark(DeviceMark::init_data_sent); });
        scene.expect("device_token_unexpected");
    }
    SECTION("an idx where there are no packets") {
        Scene scene({.pre_copies = false});
        scene.part([](StreamWriter& writer) { writer.init_data_below(0); });
        scene.expect("device_token_unexpected");
    }
    SECTION("the end of the initial data twice") {
        Scene scene;
        scene.part([](StreamWriter& writer) { writer.init_data_below(1); });
        scene.part([](StreamWriter& writer) { writer.init_data_below(1); });
        scene.expect("device_token_unexpected");
    }
}

TEST_CASE("the acknowledgement comes when all initial data is loaded, however late its packets",
          "[session][peer][pre-copy]") {
    Scene scene;
    scene.part([](StreamWriter& writer) { writer.init_data_below(2); });
    // The mark has been read, and nothing was acknowledged before this answer.
    CHECK(scene.loaded_bytes() == 0);
    scene.packet(1, true);
    scene.packet(0, true);
    scene.source->hear(ReturnPathType::switchover_ack);
    CHECK(scene.loaded_bytes() == 200);
    scene.source->close_all();
    CHECK(scene.destination.await().owner == Owner::source);
}

TEST_CASE("the acknowledgement comes though the last initial packet does in two parts",
          "[session][peer][pre-copy]") {
    constexpr std::uint32_t kPackets = 8;
    constexpr std::size_t kBytes = 300'000;
    Scene scene({.packet_bytes = limits::kMiB, .listen = "tcp:127.0.0.1:0"});
    scene.part([](StreamWriter& writer) { writer.init_data_below(kPackets); });
    auto& channel = scene.source->channels[0];
    for (std::uint32_t idx = 0; idx < kPackets; ++idx) {
        CAPTURE(idx);
        // The receiver meets any part of the packet before it sleeps. What then comes is less than
        // a receiver of much is woken for, and nothing comes behind it.
        const auto whole = Scene::packet_of(idx, /*pre_copy=*/true, kBytes);
        const auto last = std::span(whole).last(1 + idx * 30'000);
        REQUIRE(write_all(channel, std::span(whole).first(whole.size() - last.size())));
        CHECK(scene.loaded_bytes() == idx * kBytes);  // Others run meanwhile.
        REQUIRE(write_all(channel, last));
        if (idx + 1 == kPackets) continue;
        REQUIRE(await([&] { return scene.loaded_bytes() == (idx + 1) * kBytes; }));
    }
    scene.source->hear(ReturnPathType::switchover_ack);
    scene.source->close_all();
    CHECK(scene.destination.await().owner == Owner::source);
}

TEST_CASE("a destination that has loaded more than was sent is not believed",
          "[session][peer][pre-copy]") {
    const auto entries = GENERATE(std::vector<PreCopyStatusEntry>{{0, 1'000'000, 5}},
                                  std::vector<PreCopyStatusEntry>{{7}},
                                  std::vector<PreCopyStatusEntry>{{0, 0, 0}, {0, 0, 0}});
    ScriptedDestination destination;
    destination.hello.features = {std::string(kFeaturePreCopyChannels)};
    RunningSource source;
    auto script = scripted_state();
    script.traits.pre_copy = true;
    script.early = pattern(10'000);
    source.device = std::make_shared<ScriptedDevice>(script);
    source.start(destination.address());
    destination.greet();
    destination.await_command(kCommandPreCopyQuery);
    destination.say(ReturnPathType::pre_copy_status, encode_pre_copy_status(entries).front());
    const auto report = source.await();
    REQUIRE(report.error);
    CHECK(report.error->code == "message_malformed");
    CHECK(source.device->now() == DeviceState::running);
}

}  // namespace multifd

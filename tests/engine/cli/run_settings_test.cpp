#include "engine/cli/run_settings.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

using Words = std::vector<std::string>;
using namespace std::chrono_literals;

RunSettings settle(const Words& words) {
    return settle(parse_arguments(words));
}

std::string refusal(const Words& words) {
    try {
        const RunSettings settings = settle(words);
        make_devices(settings, words.front() == "send" ? Role::source : Role::destination);
    } catch (const UsageError& error) {
        return error.what();
    }
    return "not refused";
}

Words operator+(Words left, const Words& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

const Words kSend{"send", "--to", "tcp:127.0.0.1:1", "--device", "memory,idstr=gpu0,size=1MiB"};
const Words kReceive{"receive", "--listen", "tcp:127.0.0.1:0", "--device",
                     "memory,idstr=gpu0,size=1MiB"};

const EffectiveSetting& effective(const RunSettings& settings, std::string_view name) {
    const auto found = std::ranges::find(settings.effective, name, &EffectiveSetting::name);
    REQUIRE(found != settings.effective.end());
    return *found;
}

}  // namespace

TEST_CASE("without options the settings are the library's defaults", "[cli]") {
    const RunSettings send = settle(kSend);
    const SourceSettings source;
    CHECK(send.command.source.multifd_channels == source.multifd_channels);
    CHECK(send.command.source.packet_size == source.packet_size);
    CHECK(send.command.source.downtime_limit == source.downtime_limit);
    CHECK(send.command.source.submission_order == SubmissionPolicy::behind);
    CHECK(send.command.source.max_bandwidth == 0);
    CHECK(send.command.source.max_switchover_bandwidth == 0);
    CHECK(send.command.source.stall_timeout == source.stall_timeout);
    CHECK(send.command.source.verify);
    const RunSettings receive = settle(kReceive);
    const DestinationSettings destination;
    CHECK(receive.command.destination.multifd_channels == 0);
    CHECK(receive.command.destination.max_queued_bytes == destination.max_queued_bytes);
    CHECK(receive.command.destination.packet_size_max == destination.packet_size_max);
    for (const RunSettings* settings : {&send, &receive}) {
        for (const EffectiveSetting& setting : settings->effective) {
            const bool given =
                setting.name == "to" || setting.name == "listen" || setting.name == "device";
            CAPTURE(setting.name);
            CHECK((setting.origin == SettingOrigin::command_line) == given);
        }
    }
}

TEST_CASE("every option of send reaches its setting", "[cli]") {
    const RunSettings settings = settle(kSend + Words{"--multifd-channels",
                                                      "7",
                                                      "--packet-size",
                                                      "64KiB",
                                                      "--congestion-control",
                                                      "cubic",
                                                      "--downtime-limit",
                                                      "20ms",
                                                      "--strict-downtime",
                                                      "on",
                                                      "--avail-switchover-bandwidth",
                                                      "1GiB/s",
                                                      "--submission-order",
                                                      "arrival",
                                                      "--max-bandwidth",
                                                      "10Gbit/s",
                                                      "--max-switchover-bandwidth",
                                                      "500MiB/s",
                                                      "--switchover-ack",
                                                      "on",
                                                      "--multifd-pre-copy",
                                                      "off",
                                                      "--verify",
                                                      "off",
                                                      "--connect-timeout",
                                                      "1s",
                                                      "--phase-timeout",
                                                      "2s",
                                                      "--stall-timeout",
                                                      "3s",
                                                      "--state-dir",
                                                      "/tmp/x",
                                                      "--on-unknown-owner",
                                                      "exit",
                                                      "--peer",
                                                      "qemu",
                                                      "--machine",
                                                      "q35",
                                                      "--uuid",
                                                      "00112233445566778899aabbccddeeff",
                                                      "--json",
                                                      "-",
                                                      "--log-level",
                                                      "debug"});
    const SourceSettings& source = settings.command.source;
    CHECK(source.to == "tcp:127.0.0.1:1");
    CHECK(source.multifd_channels == 7);
    CHECK(source.packet_size == 65536);
    CHECK(source.congestion_control == "cubic");
    CHECK(source.downtime_limit == 20ms);
    CHECK(source.strict_downtime);
    CHECK(source.avail_switchover_bandwidth == 1U << 30U);
    CHECK(source.submission_order == SubmissionPolicy::arrival);
    CHECK(source.max_bandwidth == 1'250'000'000);
    CHECK(source.max_switchover_bandwidth == 500U << 20U);
    CHECK(source.switchover_ack);
    CHECK_FALSE(source.multifd_pre_copy);
    CHECK_FALSE(source.verify);
    CHECK(source.connect_timeout == 1s);
    CHECK(source.phase_timeout == 2s);
    CHECK(source.stall_timeout == 3s);
    CHECK(source.state_dir == "/tmp/x");
    CHECK(source.on_unknown_owner == OnUnknownOwner::exit);
    CHECK(source.peer == Peer::qemu);
    CHECK(source.machine == "q35");
    CHECK(std::to_integer<int>(source.uuid[1]) == 0x11);
    CHECK(settings.command.json == "-");
    CHECK(settings.log_choice() == LogChoice::debug);
}

TEST_CASE("every option of receive reaches its setting", "[cli]") {
    const RunSettings settings = settle(kReceive + Words{"--multifd-channels",
                                                         "7",
                                                         "--max-packet-size",
                                                         "1MiB",
                                                         "--max-queued-bytes",
                                                         "64MiB",
                                                         "--congestion-control",
                                                         "bbr",
                                                         "--verify",
                                                         "off",
                                                         "--connect-timeout",
                                                         "1s",
                                                         "--phase-timeout",
                                                         "2s",
                                                         "--stall-timeout",
                                                         "3s",
                                                         "--state-dir",
                                                         "/tmp/x",
                                                         "--on-unknown-owner",
                                                         "exit",
                                                         "--peer",
                                                         "qemu",
                                                         "--address-file",
                                                         "/tmp/address"});
    const DestinationSettings& destination = settings.command.destination;
    CHECK(destination.multifd_channels == 7);
    CHECK(destination.packet_size_max == 1U << 20U);
    CHECK(destination.max_queued_bytes == 64U << 20U);
    CHECK_FALSE(destination.verify);
    CHECK(destination.phase_timeout == 2s);
    CHECK(destination.stall_timeout == 3s);
    CHECK(destination.state_dir == "/tmp/x");
    CHECK(destination.on_unknown_owner == OnUnknownOwner::exit);
    CHECK(destination.peer == Peer::qemu);
    CHECK(settings.command.address_file == "/tmp/address");
    const ListenerSettings& listener = settings.command.listener;
    CHECK(listener.listen == "tcp:127.0.0.1:0");
    CHECK(listener.congestion_control == "bbr");
    CHECK(listener.peer == Peer::qemu);
    CHECK(listener.classify_timeout == 1s);
    CHECK(listener.parked_timeout == 1s);
}

TEST_CASE("the command line wins over the file, and each setting knows where it is from", "[cli]") {
    const TemporaryFolder folder;
    write_text(folder / "source.toml",
               "to = \"unix:/tmp/socket\"\n"
               "multifd-channels = 5\n"
               "packet-size = 65536\n"
               "verify = false\n"
               "[[device]]\nkind = \"memory\"\nidstr = \"a,b\"\nsize = \"1MiB\"\n"
               "[[device]]\nkind = \"memory\"\nidstr = \"c\"\nsize = 4096\nprecopy = true\n");
    const Words words{"send", "--config", folder / "source.toml", "--multifd-channels", "3"};

    const RunSettings settings = settle(words);

    CHECK(settings.command.source.to == "unix:/tmp/socket");
    CHECK(settings.command.source.multifd_channels == 3);
    CHECK(settings.command.source.packet_size == 65536);
    CHECK_FALSE(settings.command.source.verify);
    CHECK(effective(settings, "to").origin == SettingOrigin::config_file);
    CHECK(effective(settings, "multifd-channels").origin == SettingOrigin::command_line);
    CHECK(effective(settings, "packet-size").origin == SettingOrigin::config_file);
    CHECK(effective(settings, "packet-size").value == SettingValue(std::uint64_t{65536}));
    CHECK(effective(settings, "downtime-limit").origin == SettingOrigin::default_value);
    CHECK(effective(settings, "device").origin == SettingOrigin::config_file);
    CHECK(std::get<std::vector<std::string>>(effective(settings, "device").value).front() ==
          "memory,idstr=a,,b,size=1MiB");
    const auto devices = make_devices(settings, Role::source);
    REQUIRE(devices.size() == 2);
    CHECK(devices[0].idstr == "a,b");
    CHECK(devices[1].device->traits().pre_copy);

    const RunSettings replaced = settle(words + Words{"--device", "memory,idstr=own,size=1"});
    REQUIRE(replaced.devices.size() == 1);
    CHECK(effective(replaced, "device").origin == SettingOrigin::command_line);
}

TEST_CASE("addresses add up, and the command line's take the place of the file's", "[cli]") {
    const TemporaryFolder folder;
    write_text(folder / "source.toml",
               "to = [\"tcp:10.0.0.2:1\", \"tcp:10.1.0.2:1\"]\n"
               "bind = [\"any\", \"10.1.0.1\"]\n"
               "[[device]]\nkind = \"memory\"\nidstr = \"a\"\nsize = \"1MiB\"\n");
    const Words from_file{"send", "--config", folder / "source.toml"};
    const auto texts = [](const SettingValue& value) {
        return std::get<std::vector<std::string>>(value);
    };

    const RunSettings settings = settle(from_file);
    CHECK(settings.command.source.to == "tcp:10.0.0.2:1");
    CHECK(settings.command.source.also_to == Words{"tcp:10.1.0.2:1"});
    CHECK(settings.command.source.bind == Words{"any", "10.1.0.1"});
    CHECK(texts(effective(settings, "to").value) == Words{"tcp:10.0.0.2:1", "tcp:10.1.0.2:1"});

    const RunSettings other =
        settle(from_file + Words{"--to", "unix:/a", "--to", "unix:/b", "--to", "unix:/c"});
    CHECK(other.command.source.to == "unix:/a");
    CHECK(other.command.source.also_to == Words{"unix:/b", "unix:/c"});
    CHECK(other.command.source.bind == Words{"any", "10.1.0.1"});
    CHECK(effective(other, "to").origin == SettingOrigin::command_line);

    const RunSettings single = settle(from_file + Words{"--to", "unix:/a"});
    CHECK(effective(single, "to").value == SettingValue("unix:/a"));
    CHECK(single.command.source.also_to.empty());

    const RunSettings receive = settle(kReceive + Words{"--listen", "unix:/a"});
    CHECK(receive.command.listener.listen == "tcp:127.0.0.1:0");
    CHECK(receive.command.listener.also_listen == Words{"unix:/a"});

    CHECK(refusal(kSend + Words{"--to", "tcp:a:0"}).find("tcp:a:0") != std::string::npos);
    CHECK(refusal(kSend + Words{"--to", "nowhere"}).find("\"nowhere\"") != std::string::npos);
    for (const char* wrong : {"unix:/a", "localhost", "1.2.3.4:5", "", "1.2.3"}) {
        CAPTURE(wrong);
        CHECK(refusal(kSend + Words{"--bind", wrong}).find("--bind") != std::string::npos);
    }
}

TEST_CASE("CPUs and NUMA nodes reach both ends, and what is none is refused", "[cli]") {
    for (const Words& end : {kSend, kReceive}) {
        const RunSettings settings =
            settle(end + Words{"--channel-cpus", "3,0-1", "--numa-node", "1"});
        for (const CommonSettings* common : std::initializer_list<const CommonSettings*>{
                 &settings.command.source, &settings.command.destination}) {
            CHECK(common->channel_cpus == std::vector<unsigned>{3, 0, 1});
            CHECK(common->numa_node.kind == NumaNode::Kind::fixed);
            CHECK(common->numa_node.node == 1);
        }
        CHECK(effective(settings, "channel-cpus").value == SettingValue("3,0-1"));
        CHECK(effective(settings, "numa-node").value == SettingValue("1"));
        CHECK(effective(settle(end), "numa-node").value == SettingValue("none"));
        CHECK(effective(settle(end + Words{"--numa-node", "auto"}), "numa-node").value ==
              SettingValue("auto"));
        for (const char* wrong : {"", "a", "1-", "3-1", "0,0", "9000"}) {
            CAPTURE(wrong);
            CHECK(refusal(end + Words{"--channel-cpus", wrong}).find("--channel-cpus") == 0);
        }
        for (const char* wrong : {"", "here", "-1", "1024", "1.5"}) {
            CAPTURE(wrong);
            CHECK(refusal(end + Words{"--numa-node", wrong}).find("--numa-node") == 0);
        }
    }
}

TEST_CASE("a file that cannot be meant is refused with its line and the nearest key", "[cli]") {
    struct Case {
        const char* content;
        const char* said;
    };
    const auto wrong = GENERATE(values<Case>({
        {"\nmultifd-chanels = 4\n", "bad.toml:2: unknown option multifd-chanels"},
        {"\nmultifd-chanels = 4\n", "did you mean multifd-channels?"},
        {"listen = \"tcp:a:1\"\n", "bad.toml:1: listen is an option of receive, not of send"},
        {"config = \"other\"\n", "bad.toml:1: config cannot stand in a file"},
        {"packet-size = 1.5\n", "bad.toml:1: packet-size is neither"},
        {"\n\npacket-size = \"5\"\n", "bad.toml:3: packet-size \"5\" is no packet size"},
        {"to = \n", "bad.toml:1: "},
        {"device = 4\n", "bad.toml:1: device is not a table"},
        {"[[device]]\nidstr = \"a\"\n", "bad.toml:1: the device has no kind"},
        {"\n[[device]]\nkind = \"memory\"\nidstr = \"a\"\nsise = 1\n", "bad.toml:2: "},
        {"\n[[device]]\nkind = \"memory\"\nidstr = \"a\"\nsise = 1\n", "size"},
        {"send = 4\n", "bad.toml:1: send is not a table: write [send]"},
        {"[send]\nlisten = \"tcp:a:1\"\n", "bad.toml:2: listen is an option of receive"},
        {"[receive]\nlisen = \"tcp:a:1\"\n", "did you mean listen?"},
        {"to = \"tcp:a:1\"\nto = \"tcp:a:1\"\n", "bad.toml:2: "},
    }));
    CAPTURE(wrong.content);
    const TemporaryFolder folder;
    write_text(folder / "bad.toml", wrong.content);
    const std::string said =
        refusal({"send", "--to", "tcp:127.0.0.1:1", "--config", folder / "bad.toml"});
    CHECK_THAT(said, Catch::Contains(wrong.said));
    CHECK(said.find('\n') == std::string::npos);
}

TEST_CASE("one file serves both ends: each takes what stands in its own table", "[cli]") {
    const TemporaryFolder folder;
    write_text(folder / "both.toml",
               "multifd-channels = 5\n"
               "[send]\npacket-size = \"64KiB\"\n"
               "[receive]\nmax-queued-bytes = \"32MiB\"\n");
    const RunSettings send = settle(kSend + Words{"--config", folder / "both.toml"});
    CHECK(send.command.source.multifd_channels == 5);
    CHECK(send.command.source.packet_size == 65536);
    CHECK(effective(send, "packet-size").origin == SettingOrigin::config_file);
    const RunSettings receive = settle(kReceive + Words{"--config", folder / "both.toml"});
    CHECK(receive.command.destination.multifd_channels == 5);
    CHECK(receive.command.destination.max_queued_bytes == 32U << 20U);
}

TEST_CASE("the example configurations are good", "[cli]") {
    const std::string folder = MULTIFD_SOURCE_FOLDER "/config/";
    const RunSettings source = settle({"send", "--config", folder + "source.toml"});
    CHECK(make_devices(source, Role::source).size() == 2);
    const RunSettings destination = settle({"receive", "--config", folder + "destination.toml"});
    CHECK(make_devices(destination, Role::destination).size() == 2);
}

TEST_CASE("settings that contradict each other are refused", "[cli]") {
    CHECK_THAT(refusal({"send"}), Catch::Contains("--to"));
    CHECK_THAT(refusal({"receive"}), Catch::Contains("--listen"));
    CHECK_THAT(refusal({"send", "--to", "tcp:a:1"}), Catch::Contains("--device"));
    CHECK_THAT(refusal({"send", "--to", "tcp:a:0", "--device", "memory,idstr=a,size=1"}),
               Catch::Contains("names no port"));
    CHECK_THAT(refusal(kSend + Words{"-q", "-v"}), Catch::Contains("--quiet"));
    CHECK_THAT(refusal(kSend + Words{"--machine", "q35"}),
               Catch::Contains("--machine is for a QEMU destination alone: add --peer qemu"));
    CHECK_THAT(refusal(kSend + Words{"--uuid", "00112233445566778899aabbccddeeff"}),
               Catch::Contains("--uuid is for a QEMU destination alone: add --peer qemu"));
    CHECK_THAT(refusal(kSend + Words{"--device", "memory,idstr=gpu0,size=1"}),
               Catch::Contains("a second device gpu0"));
    CHECK_THAT(refusal(kSend + Words{"--device", "memry,idstr=b"}), Catch::Contains("memory"));
    CHECK(refusal(kSend + Words{"--device", "memory,idstr=gpu0,instance-id=1,size=1"}) ==
          "not refused");
}

TEST_CASE("two devices that would write one file are refused", "[cli]") {
    const TemporaryFolder folder;
    REQUIRE(std::filesystem::create_directory(folder / "inner"));
    write_text(folder / "a", "state");
    std::filesystem::create_symlink(folder / "a", folder / "link");
    const std::string root = folder / "";
    const auto both = [&](const std::string& first, const std::string& second) {
        return refusal({"receive", "--listen", "tcp:127.0.0.1:0", "--device",
                        "file,idstr=gpu0,path=" + root + first, "--device",
                        "file,idstr=gpu1,path=" + root + second});
    };
    const auto [first, second] =
        GENERATE(table<std::string, std::string>({{"a", "a"}, {"a", "inner/../a"}, {"a", "link"}}));
    CAPTURE(first, second);
    CHECK_THAT(both(first, second), Catch::Contains("devices gpu0 and gpu1 would both write"));
    CHECK_THAT(both(first, second), Catch::Contains("/a:"));
    CHECK_THAT(both("b,config=" + root + first, second), Catch::Contains("would both write"));
    CHECK(both("a", "inner/a") == "not refused");
    // Reading a file twice does no harm.
    CHECK(refusal({"send", "--to", "tcp:127.0.0.1:1", "--device",
                   "file,idstr=gpu0,path=" + root + "a", "--device",
                   "file,idstr=gpu1,path=" + root + "a"}) == "not refused");
}

TEST_CASE("no channels at all is for a QEMU stream to a destination alone", "[cli]") {
    const Words none{"--multifd-channels", "0"};
    CHECK_THAT(refusal(kSend + none), Catch::Contains("receive --peer qemu"));
    CHECK_THAT(refusal(kReceive + none), Catch::Contains("receive --peer qemu"));
    CHECK_THAT(refusal(kSend + none + Words{"--peer", "qemu"}), Catch::Contains("1 to 255"));
    CHECK(refusal(kReceive + none + Words{"--peer", "qemu"}) == "not refused");
}

TEST_CASE("the memory bound holds at least one packet", "[cli]") {
    CHECK_THAT(refusal(kReceive + Words{"--max-queued-bytes", "1MiB", "--max-packet-size", "2MiB"}),
               Catch::Contains("below one packet"));
    const RunSettings settings = settle(kReceive + Words{"--max-queued-bytes", "1000000"});
    CHECK(settings.command.destination.packet_size_max == 1000000 / 4096 * 4096);
}

TEST_CASE("quiet and verbose choose the log, --log-level overrules them", "[cli]") {
    CHECK(settle(kSend).log_choice() == LogChoice::info);
    CHECK(settle(kSend + Words{"-q"}).log_choice() == LogChoice::error);
    CHECK(settle(kSend + Words{"-v"}).log_choice() == LogChoice::debug);
    CHECK(settle(kSend + Words{"-q", "--log-level", "info"}).log_choice() == LogChoice::info);
}

TEST_CASE("what the ends agreed on replaces what was asked, and says so", "[cli]") {
    std::vector<EffectiveSetting> settings{
        {"multifd-channels", std::uint64_t{0}, SettingOrigin::default_value},
        {"verify", true, SettingOrigin::default_value},
        {"packet-size", std::uint64_t{4096}, SettingOrigin::command_line},
        {"multifd-compression", std::string("auto"), SettingOrigin::command_line},
    };
    apply_agreed(settings, {{"multifd-channels", 4},
                            {"verify", 0},
                            {"packet-size", 4096},
                            {"multifd-compression", 0, "auto"}});
    CHECK(settings[3].origin == SettingOrigin::command_line);
    apply_agreed(settings, {{"multifd-compression", 0, "none"}, {"new", 7}, {"word", 0, "w"}});
    REQUIRE(settings.size() == 6);
    CHECK(settings[3].value == SettingValue(std::string("none")));
    CHECK(settings[3].origin == SettingOrigin::agreed);
    CHECK(settings[5].value == SettingValue(std::string("w")));
    CHECK(settings[0].value == SettingValue(std::uint64_t{4}));
    CHECK(settings[0].origin == SettingOrigin::agreed);
    CHECK(settings[1].value == SettingValue(false));
    CHECK(settings[1].origin == SettingOrigin::agreed);
    CHECK(settings[2].origin == SettingOrigin::command_line);
    CHECK(settings[4].value == SettingValue(std::uint64_t{7}));
}

}  // namespace multifd

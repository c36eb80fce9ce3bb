// Plain QEMU streams, in and out: `--peer qemu`.
#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/end_to_end/migration.hpp"
#include "tests/end_to_end/recordings.hpp"
#include "tests/support/exit_codes.hpp"
#include "tests/support/stream_peers.hpp"

namespace multifd {
namespace {

/// A running `receive --peer qemu` and where it listens.
class QemuReceiver {
  public:
    QemuReceiver(std::size_t channels, const Words& devices) {
        Words words{"receive",
                    "--listen",
                    "tcp:127.0.0.1:0",
                    "--address-file",
                    folder_ / "address",
                    "--peer",
                    "qemu",
                    "--json",
                    folder_ / "run/report.json",
                    "--state-dir",
                    folder_ / "state",
                    "--stall-timeout",
                    std::to_string(3 * kSlowdown) + "s"};
        if (channels != 0) words = words + Words{"--multifd-channels", std::to_string(channels)};
        for (const auto& device : devices) words = words + Words{"--device", device};
        command_ = std::make_unique<RunningCommand>(folder_ / "run", words);
        address_ = wait_for_address(folder_ / "address", *command_);
    }

    [[nodiscard]] const std::string& address() const noexcept { return address_; }
    CommandEnd finish() {
        CommandEnd end = command_->finish();
        CHECK(invalid_reports({folder_ / "run/report.json"}).empty());
        return end;
    }
    [[nodiscard]] std::string file(std::string_view name) const { return folder_ / name; }

  private:
    TemporaryFolder folder_;
    std::unique_ptr<RunningCommand> command_;
    std::string address_;
};

std::string in_file_name(const std::string& idstr) {
    std::string name;
    for (const char letter : idstr) {
        name += letter == ':' ? "%3A" : letter == '/' ? "%2F" : std::string(1, letter);
    }
    return name;
}

/// The device sections and packets of a recording, as bytes to send and as what devices must get.
struct DeviceStream {
    explicit DeviceStream(const std::string& recording)
        : summary(read_independently("filter", recording, folder / "stream")) {
        read_independently("extract", recording, folder / "expected");
        main = read_bytes(folder / "stream/main.bin");
        for (std::size_t channel = 0; channel < summary.number("channels"); ++channel) {
            const std::string name = "stream/channel-" + std::to_string(channel) + ".bin";
            channels.push_back(read_bytes(folder / name));
        }
        for (std::size_t i = 0; i < summary.size("devices"); ++i) {
            devices.push_back(summary.text("devices." + std::to_string(i) + ".idstr"));
        }
    }
    [[nodiscard]] std::string expected(const std::string& idstr, const std::string& what) const {
        return read_text(folder / ("expected/" + in_file_name(idstr) + ".0." + what));
    }

    TemporaryFolder folder;
    JsonReport summary;
    std::vector<std::byte> main;
    std::vector<std::vector<std::byte>> channels;
    Words devices;
};

Words file_devices(const Words& idstrs, const TemporaryFolder& files) {
    Words devices;
    for (const auto& idstr : idstrs) {
        devices.push_back("file,idstr=" + idstr +
                          ",path=" + (files / (in_file_name(idstr) + ".state")) +
                          ",config=" + (files / (in_file_name(idstr) + ".config")));
    }
    return devices;
}

}  // namespace

TEST_CASE("device sections as QEMU writes them reach the devices byte for byte", "[end_to_end]") {
    const auto recording = GENERATE(from_range(recordings()));
    CAPTURE(recording);
    const DeviceStream stream(recording);
    const TemporaryFolder files;
    QemuReceiver receiver(stream.channels.size(), file_devices(stream.devices, files));
    const ReturnPath answers = send_as_qemu(receiver.address(), stream.main, stream.channels);
    const CommandEnd end = receiver.finish();
    INFO(describe("receive", end));
    CHECK(end.exit_code == 0);
    CHECK(end.text("status") == "completed");
    for (const auto& idstr : stream.devices) {
        CAPTURE(idstr);
        CHECK(read_text(files / (in_file_name(idstr) + ".state")) ==
              stream.expected(idstr, "precopy") + stream.expected(idstr, "state"));
        CHECK(read_text(files / (in_file_name(idstr) + ".config")) ==
              stream.expected(idstr, "config"));
    }
    // Without OPEN_RETURN_PATH nobody reads answers; without INIT_DATA_SENT none acknowledges.
    if (recording.ends_with("-norp")) {
        CHECK(answers.empty());
    } else if (recording.ends_with("-noswack")) {
        CHECK(answers == ReturnPath{"pong 00000001", "shut 00000000"});
    } else {
        CHECK(answers == ReturnPath{"pong 00000001", "switchover-ack", "shut 00000000"});
    }
}

TEST_CASE("a guest's whole stream is refused, naming its first foreign section", "[end_to_end]") {
    const std::string recording = recording_named("q10-mtty-1dev-2ch");
    const auto main = read_bytes(recording + "/conn-0-src2dst.bin");
    const std::vector<std::vector<std::byte>> channels{
        read_bytes(recording + "/conn-1-src2dst.bin"),
        read_bytes(recording + "/conn-2-src2dst.bin")};
    const TemporaryFolder files;
    QemuReceiver receiver(2, file_devices({"0000:00:04.0/vfio"}, files));
    send_as_qemu(receiver.address(), main, channels);
    const CommandEnd end = receiver.finish();
    INFO(describe("receive", end));
    check_failed(end, "section_foreign", kProtocol);
    CHECK(end.text("error.message").find("ram") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(files / (in_file_name("0000:00:04.0/vfio") + ".state")));
}

TEST_CASE("a device section that the destination has no device for is refused by name",
          "[end_to_end]") {
    const DeviceStream stream(recording_named("q10-mtty-2dev-2ch"));
    const TemporaryFolder files;
    QemuReceiver receiver(2, file_devices({stream.devices.front()}, files));
    send_as_qemu(receiver.address(), stream.main, stream.channels);
    const CommandEnd end = receiver.finish();
    INFO(describe("receive", end));
    CHECK(end.exit_code != 0);
    CHECK(end.exit_code != kHung);
    CHECK(end.text("error.message").find(stream.devices.back()) != std::string::npos);
}

TEST_CASE("a lost, doubled or foreign-version packet of QEMU's is named, and nothing hangs",
          "[end_to_end]") {
    DeviceStream stream(recording_named("q10-mttyx64k-2dev-4ch"));
    struct Case {
        const char* code;
        std::ptrdiff_t copies;
        int exit_code;
    };
    // QEMU keeps its channels open, so that a lost packet could still come.
    const auto spoiled = GENERATE(values<Case>({{"stall_timeout", 0, kTimeout},
                                                {"idx_duplicate", 2, kProtocol},
                                                {"state_version_wrong", 1, kProtocol}}));
    CAPTURE(spoiled.code);
    // The first packet of channel 0: its header, then as much as that says.
    auto& bytes = stream.channels.front();
    constexpr std::ptrdiff_t kInit = 64;
    constexpr std::size_t kSizeOffset = 64 + 272;
    std::ptrdiff_t size = 276;
    size += std::to_integer<std::ptrdiff_t>(bytes[kSizeOffset + 2]) * 256 +
            std::to_integer<std::ptrdiff_t>(bytes[kSizeOffset + 3]);
    const std::vector<std::byte> packet(bytes.begin() + kInit, bytes.begin() + kInit + size);
    if (spoiled.copies == 0) bytes.erase(bytes.begin() + kInit, bytes.begin() + kInit + size);
    if (spoiled.copies == 2) bytes.insert(bytes.begin() + kInit, packet.begin(), packet.end());
    if (spoiled.copies == 1) bytes[64 + 276 + 3] = std::byte{1};
    const TemporaryFolder files;
    QemuReceiver receiver(4, file_devices(stream.devices, files));
    send_as_qemu(receiver.address(), stream.main, stream.channels);
    const CommandEnd end = receiver.finish();
    INFO(describe("receive", end));
    check_failed(end, spoiled.code, spoiled.exit_code);
    if (spoiled.copies == 1) return;
    CHECK(end.text("error.device").starts_with("0000:00:0"));
    CHECK(end.report->has("error.idx"));
}

TEST_CASE("what is sent to QEMU reads, independently, as what the devices held", "[end_to_end]") {
    const bool on_channels = GENERATE(true, false);
    CAPTURE(on_channels);
    const TemporaryFolder folder;
    std::string state;
    for (int i = 0; i < 300000; ++i) state += static_cast<char>('a' + i % 23);
    write_text(folder / "in.state", state);
    write_text(folder / "in.config", "PCI configuration");
    std::filesystem::create_directory(folder / "recording");
    RecordingServer server(RecordingServer::Manner::qemu);
    const std::string device = "file,idstr=0000:00:04.0/vfio,path=" + (folder / "in.state") +
                               ",config=" + (folder / "in.config") +
                               (on_channels ? ",multifd=on" : ",multifd=off");
    const CommandEnd end = run_command_with_report(
        {"send", "--peer", "qemu", "--to", server.address(), "--multifd-channels", "3",
         "--packet-size", "16KiB", "--device", device, "--state-dir", folder / "state"});
    INFO(describe("send", end));
    CHECK(end.exit_code == 0);
    CHECK(end.text("status") == "completed");
    server.write_recording(folder / "recording");
    const JsonReport summary =
        read_independently("extract", folder / "recording", folder / "extracted");
    CHECK(summary.number("devices.0.packets") == (on_channels ? 20 : 0));
    const std::string name = folder / "extracted/0000%3A00%3A04.0%2Fvfio.0";
    CHECK((read_text(name + ".state") == state));
    CHECK(read_text(name + ".config") == "PCI configuration");
    const CommandEnd inspected = run_command({"inspect", folder / "recording"});
    INFO(describe("inspect", inspected));
    CHECK(inspected.exit_code == 0);
}

TEST_CASE("a report of a migration with QEMU says which promises it could not give",
          "[end_to_end]") {
    const DeviceStream stream(recording_named("q10-mtty-1dev-2ch"));
    const TemporaryFolder files;
    QemuReceiver receiver(2, file_devices(stream.devices, files));
    send_as_qemu(receiver.address(), stream.main, stream.channels);
    const CommandEnd end = receiver.finish();
    INFO(describe("receive", end));
    const std::string said = end.standard_output + end.standard_error + end.json_text;
    CHECK(said.find("verif") != std::string::npos);
    CHECK(said.find("commit") != std::string::npos);
}

}  // namespace multifd

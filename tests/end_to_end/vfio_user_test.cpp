// vfio-user: our client against our server, each in a process of its own, under whole migrations.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>
#include <thread>

#include "tests/end_to_end/migration.hpp"
#include "tests/support/exit_codes.hpp"

namespace multifd {
namespace {

/// A raw client's socket; closed with the object.
class RawClient {
  public:
    explicit RawClient(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
        connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
        const timeval limit{30, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    ~RawClient() { ::close(fd_); }
    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;

    [[nodiscard]] bool connected() const noexcept { return connected_; }
    void send(const std::string& bytes) const {
        CHECK(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
              static_cast<ssize_t>(bytes.size()));
    }
    /// Everything up to the server's end, or as many bytes as asked.
    [[nodiscard]] std::string receive(std::size_t most = SIZE_MAX) const {
        std::string all;
        std::array<char, 4096> piece{};
        while (all.size() < most) {
            const auto got =
                ::recv(fd_, piece.data(), std::min(piece.size(), most - all.size()), MSG_NOSIGNAL);
            if (got <= 0) break;
            all.append(piece.data(), static_cast<std::size_t>(got));
        }
        return all;
    }

  private:
    int fd_;
    bool connected_ = false;
};

/// `multifd serve-device`, ready for clients.
class Serving {
  public:
    /// One description per device; sockets are FOLDER/0, FOLDER/1, ...
    explicit Serving(const Words& devices, const Words& options = {}) : count_(devices.size()) {
        Words arguments{"serve-device", "-v"};
        for (std::size_t i = 0; i < count_; ++i) {
            arguments = arguments + Words{"--socket", socket(i), "--device", devices[i]};
        }
        command_ = std::make_unique<RunningCommand>(folder_ / "run", arguments + options);
        // A socket has no readiness to wait for, so this looks again and again.
        const auto deadline = std::chrono::steady_clock::now() + kHangLimit;
        while (!ready() && command_->running() && std::chrono::steady_clock::now() < deadline) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }

    [[nodiscard]] std::string socket(std::size_t index = 0) const {
        return folder_ / std::to_string(index);
    }
    /// --device of the client, with the same name at both ends.
    [[nodiscard]] std::string client(std::size_t index = 0, const std::string& options = "") const {
        return "vfio-user,idstr=dev" + std::to_string(index) + ",socket=" + socket(index) + options;
    }
    [[nodiscard]] RunningCommand& command() { return *command_; }
    CommandEnd end_by(int signal) {
        command_->process().signal(signal);
        return command_->finish();
    }
    /// Until the log has it; false when that does not come.
    bool says(const std::string& text) {
        const auto deadline = std::chrono::steady_clock::now() + kHangLimit;
        while (std::chrono::steady_clock::now() < deadline) {
            if (command_->errors_so_far().find(text) != std::string::npos) return true;
            if (!command_->running()) return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return false;
    }

  private:
    bool ready() {
        return command_->errors_so_far().find("serving on unix:" + socket(count_ - 1)) !=
               std::string::npos;
    }

    TemporaryFolder folder_;
    std::size_t count_;
    std::unique_ptr<RunningCommand> command_;
};

const Words kDestination = words("--role destination");

Plan plan_of(const Serving& from, const Serving& to, std::size_t devices = 1,
             const std::string& options = "") {
    Plan plan;
    for (std::size_t i = 0; i < devices; ++i) {
        plan.source_devices.push_back(from.client(i, options));
        plan.destination_devices.push_back(to.client(i, options));
    }
    return plan;
}

/// A message: header and payload in this host's byte order.
std::string message(std::uint16_t command, const std::string& payload,
                    std::optional<std::uint32_t> size = {}) {
    std::string bytes(16, '\0');
    const std::uint16_t id = 77;
    const auto whole = size.value_or(static_cast<std::uint32_t>(16 + payload.size()));
    std::memcpy(bytes.data(), &id, 2);
    std::memcpy(bytes.data() + 2, &command, 2);
    std::memcpy(bytes.data() + 4, &whole, 4);
    return bytes + payload;
}

std::string version(const std::string& json, char major = 0) {
    return std::string({major, 0, 1, 0}) + json;
}

std::uint32_t number_at(const std::string& bytes, std::size_t offset) {
    std::uint32_t value = 0;
    if (bytes.size() >= offset + 4) std::memcpy(&value, bytes.data() + offset, 4);
    return value;
}

template <class T>
std::string native(T value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// A client of the migration region, which is region 9.
class OldClient {
  public:
    explicit OldClient(const std::string& path) : client_(path) {
        client_.send(message(1, version(std::string("{}\0", 3))));
        const std::string head = client_.receive(16);
        static_cast<void>(client_.receive(number_at(head, 4) - 16));
    }
    [[nodiscard]] std::string read(std::uint64_t offset, std::uint64_t size) const {
        client_.send(message(9, access(offset, size)));
        const std::string head = client_.receive(16);
        REQUIRE(number_at(head, 8) == 1);
        return client_.receive(number_at(head, 4) - 16).substr(16);
    }
    void write(std::uint64_t offset, const std::string& bytes) const {
        client_.send(message(10, access(offset, bytes.size()) + bytes));
        const std::string reply = client_.receive(32);
        REQUIRE(number_at(reply, 8) == 1);
    }
    [[nodiscard]] std::uint64_t number(std::uint64_t offset) const {
        std::uint64_t value = 0;
        std::memcpy(&value, read(offset, sizeof value).data(), sizeof value);
        return value;
    }
    void set_state(std::uint32_t bits) const { write(0, native(bits)); }

  private:
    static std::string access(std::uint64_t offset, std::uint64_t size) {
        return native(offset) + native(std::uint32_t{9}) + native(static_cast<std::uint32_t>(size));
    }

    RawClient client_;
};

void check_error_reply(const std::string& reply, int expected) {
    CHECK(reply.size() == 16);
    CHECK(number_at(reply, 4) == 16);
    CHECK(number_at(reply, 8) == 0x21);
    CHECK(number_at(reply, 12) == static_cast<std::uint32_t>(expected));
}

}  // namespace

TEST_CASE("served devices migrate over the channels, with pre-copy and without", "[vfio_user]") {
    const std::string precopy = GENERATE(as<std::string>{}, "on", "on,dirty-rate=5MiB/s", "off");
    const std::string multifd = GENERATE(as<std::string>{}, "on", "off");
    CAPTURE(precopy, multifd);
    const Serving from({"memory,idstr=a,size=20MiB,seed=3,precopy=" + precopy,
                        "memory,idstr=b,size=1MiB,seed=4,p2p=off"});
    const Serving to({"memory,idstr=a,seed=3", "memory,idstr=b,seed=4"}, kDestination);
    Plan plan = plan_of(from, to, 2, ",multifd=" + multifd);
    plan.source_options = words("--multifd-channels 4 --packet-size 256KiB");
    const Outcome outcome = migrate(std::move(plan));
    INFO(describe(outcome));
    check_completed(outcome);
    CHECK(outcome.source.number("devices.0.bytes") +
              outcome.source.number("devices.0.pre-copy-bytes") >
          20U << 20U);
}

TEST_CASE("pre-copy brings a served state within the downtime limit", "[vfio_user]") {
    const Serving from({"memory,idstr=a,size=24MiB,seed=3,precopy=on"});
    const Serving to({"memory,idstr=a,seed=3"}, kDestination);
    Plan plan = plan_of(from, to, 1);
    // The limit is a few MiB: more than one look ahead, and far less than the state.
    plan.source_options = words("--max-bandwidth 40MiB --downtime-limit 50ms --packet-size 256KiB");
    const Outcome outcome = migrate(std::move(plan));
    INFO(describe(outcome));
    check_completed(outcome);
    CHECK(outcome.source.number("devices.0.pre-copy-bytes") > 16U << 20U);
}

TEST_CASE("every size of a piece moves the same state", "[vfio_user]") {
    struct Case {
        const char* chunk;
        const char* write_chunk;
        const char* packet;
    };
    const auto sizes = GENERATE(values<Case>({
        {"4KiB", "4095", "4KiB"},
        {"64KiB", "32767", "64KiB"},
        {"64KiB", "32KiB", "68KiB"},
        {"68KiB", "32769", "60KiB"},
        {"1MiB", "65537", "1MiB"},
        {"16MiB", "1MiB", "16MiB"},
    }));
    CAPTURE(sizes.chunk, sizes.write_chunk, sizes.packet);
    const Words chunk{"--chunk-size", sizes.chunk};
    const Serving from({"memory,idstr=a,size=5MiB,seed=9"}, chunk);
    const Serving to({"memory,idstr=a"}, chunk + kDestination);
    Plan plan = plan_of(from, to, 1, std::string(",write-chunk=") + sizes.write_chunk);
    plan.source_options = Words{"--packet-size", sizes.packet};
    const Outcome outcome = migrate(std::move(plan));
    INFO(describe(outcome));
    check_completed(outcome);
}

TEST_CASE("there and back again, by the same servers", "[vfio_user]") {
    Serving here({"memory,idstr=a,size=3MiB,precopy=on"});
    Serving there({"memory,idstr=a,state=stop,precopy=on"}, kDestination);
    for (int round = 0; round < 2; ++round) {
        CAPTURE(round);
        const Outcome forth = migrate(plan_of(here, there));
        INFO(describe(forth));
        check_completed(forth);
        const Outcome back = migrate(plan_of(there, here));
        INFO(describe(back));
        check_completed(back);
    }
    const CommandEnd end = here.end_by(SIGTERM);
    INFO(end.standard_error);
    CHECK(end.exit_code == 0);
    CHECK(there.end_by(SIGINT).exit_code == 0);
}

TEST_CASE("a migration that is cancelled leaves both servers fit for the next one", "[vfio_user]") {
    const std::string precopy = GENERATE(as<std::string>{}, "on", "off");
    CAPTURE(precopy);
    Serving from({"memory,idstr=a,size=24MiB,read-rate=20MiB/s,precopy=" + precopy});
    Serving to({"memory,idstr=a"}, kDestination);
    {
        Migration migration(plan_of(from, to));
        migration.start();
        REQUIRE(from.says(precopy == "on" ? "to pre-copy" : "to stop-copy"));
        migration.source().process().signal(SIGINT);
        const Outcome outcome = migration.finish();
        INFO(describe(outcome) << from.command().errors_so_far());
        CHECK(outcome.source.text("status") == "cancelled");
        check_source_kept(outcome);
    }
    const Outcome again = migrate(plan_of(from, to));
    INFO(describe(again));
    check_completed(again);
}

TEST_CASE("a server that is killed fails the migration, and names the device", "[vfio_user]") {
    const bool kill_source = GENERATE(true, false);
    CAPTURE(kill_source);
    Serving from({"memory,idstr=a,size=64MiB,read-rate=20MiB/s"});
    Serving to({"memory,idstr=a"}, kDestination);
    Migration migration(plan_of(from, to));
    migration.start();
    REQUIRE(from.says("to stop-copy"));
    (kill_source ? from : to).command().process().kill();
    const Outcome outcome = migration.finish();
    INFO(describe(outcome));
    const CommandEnd& failed = kill_source ? outcome.source : outcome.destination;
    CHECK(failed.exit_code == kDeviceFailed);
    CHECK(failed.text("error.code") == "device_failed");
    CHECK(failed.text("error.device").find("dev0") != std::string::npos);
    CHECK(failed.text("devices.0.final-state") == "error");
    CHECK(outcome.source.text("owner") == "source");
    // The end whose server lives has a device that is fit for the next one.
    if (kill_source) {
        CHECK(outcome.destination.text("devices.0.final-state") == "stop");
    } else {
        check_source_kept(outcome);
    }
}

TEST_CASE("a server that stands still is left behind", "[vfio_user]") {
    Serving from({"memory,idstr=a,size=64MiB,read-rate=20MiB/s"});
    const Serving to({"memory,idstr=a"}, kDestination);
    Plan plan = plan_of(from, to);
    plan.options = words("--stall-timeout 1s");
    Migration migration(std::move(plan));
    migration.start();
    REQUIRE(from.says("to stop-copy"));
    from.command().process().signal(SIGSTOP);
    const Outcome outcome = migration.finish();
    from.command().process().signal(SIGCONT);
    INFO(describe(outcome));
    CHECK((outcome.source.text("error.code") == "device_stuck" ||
           outcome.source.text("error.code") == "stall_timeout"));
    CHECK(outcome.source.text("owner") == "source");
}

TEST_CASE("a shared backing goes with the devices", "[vfio_user]") {
    const TemporaryFolder folder;
    write_text(folder / "disk.img", "disk");
    const Words backing{"--shared-backing", folder / "disk.img"};
    Serving from({"memory,idstr=a,size=2MiB", "memory,idstr=b,size=1MiB"}, backing);
    Serving to({"memory,idstr=a,state=stop", "memory,idstr=b,state=stop"}, backing + kDestination);
    // Two that run cannot have it both.
    const CommandEnd third = run_command(
        Words{"serve-device", "--socket", folder / "s", "--device", "memory,idstr=a"} + backing);
    CHECK(third.exit_code == kUsage);
    CHECK(third.standard_error.find("another process has the shared backing") != std::string::npos);

    const Outcome forth = migrate(plan_of(from, to, 2));
    INFO(describe(forth));
    check_completed(forth);
    const Outcome back = migrate(plan_of(to, from, 2));
    INFO(describe(back));
    check_completed(back);
}

TEST_CASE("messages that make no sense cost their client the connection at most", "[vfio_user]") {
    Serving from({"memory,idstr=a,size=2MiB"});
    const auto first_reply = [&](const std::string& bytes, std::size_t most = SIZE_MAX) {
        const RawClient client(from.socket());
        REQUIRE(client.connected());
        client.send(bytes);
        return client.receive(most);
    };
    const std::string good = version(std::string("{}\0", 3));
    check_error_reply(first_reply(message(1, "", 15)), EMSGSIZE);
    check_error_reply(first_reply(message(1, "", UINT32_MAX)), EMSGSIZE);
    check_error_reply(first_reply(message(9, std::string(16, '\0'))), EINVAL);
    check_error_reply(first_reply(message(1, "xy")), EINVAL);
    check_error_reply(first_reply(message(1, version("{\"capabilities\":{"))), EINVAL);
    check_error_reply(first_reply(message(1, version(std::string("{\"capabilities\":{\0", 18)))),
                      EINVAL);
    check_error_reply(first_reply(message(1, version("", 1))), EPROTONOSUPPORT);
    {
        // After the version only what cannot be a message ends the connection.
        const RawClient client(from.socket());
        client.send(message(1, good));
        const std::string head = client.receive(16);
        CHECK(client.receive(number_at(head, 4) - 16).find("max_data_xfer_size") !=
              std::string::npos);
        client.send(message(14, ""));
        check_error_reply(client.receive(16), ENOTSUP);
        client.send(message(17, std::string(8, '\xff')));
        check_error_reply(client.receive(16), EINVAL);
        client.send(message(18, std::string(7, '\0')));
        check_error_reply(client.receive(16), EINVAL);
        client.send(message(13, ""));
        CHECK(number_at(client.receive(16), 8) == 1);
        client.send(message(18, "", 2U << 20U));
        check_error_reply(client.receive(), EMSGSIZE);
    }
    {
        // Very many of them do not fill the log.
        const RawClient client(from.socket());
        client.send(message(1, good));
        const std::size_t rest = number_at(client.receive(16), 4) - 16;
        CHECK(client.receive(rest).size() == rest);
        for (int i = 0; i < 1000; ++i) {
            client.send(message(14, ""));
            check_error_reply(client.receive(16), ENOTSUP);
        }
    }
    CHECK(from.says("lines more on this client were left out"));
    {
        // Half a message, and gone.
        const RawClient client(from.socket());
        client.send(message(1, good).substr(0, 10));
    }
    const Serving to({"memory,idstr=a"}, kDestination);
    const Outcome outcome = migrate(plan_of(from, to));
    INFO(describe(outcome));
    check_completed(outcome);
}

TEST_CASE("the older interface moves a state between two servers, in chunks of any size",
          "[vfio_user]") {
    const std::size_t piece = GENERATE(1000U, 65535U, 65536U);
    CAPTURE(piece);
    const Words old_interface = words("--interface v1");
    const Serving from({"memory,idstr=a,size=200000,seed=8"}, old_interface);
    const Serving to({"memory,idstr=a,seed=8"}, old_interface + kDestination);
    const OldClient source(from.socket());
    source.set_state(2);
    std::string state;
    while (source.number(8) != 0) {
        const std::uint64_t offset = source.number(16);
        const std::uint64_t size = source.number(24);
        REQUIRE(size <= 65536);
        // In two parts, the second one first.
        const std::string tail = source.read(offset + size / 2, size - size / 2);
        state += source.read(offset, size / 2) + tail;
    }
    CHECK(state.size() > 200000);
    const OldClient destination(to.socket());
    destination.set_state(4);
    for (std::size_t at = 0; at < state.size(); at += piece) {
        const std::string part = state.substr(at, piece);
        destination.write(destination.number(16), part);
        destination.write(24, native(std::uint64_t{part.size()}));
    }
    destination.set_state(1);
    CHECK(destination.read(0, 4) == native(std::uint32_t{1}));
}

TEST_CASE("a served device conforms", "[vfio_user]") {
    const std::string options = GENERATE(as<std::string>{}, ",precopy=on", ",p2p=off");
    const Serving serving({"memory,idstr=a,size=3MiB" + options});
    const CommandEnd end = run_command({"check", "--device", serving.client()});
    INFO(describe("check", end));
    CHECK(end.exit_code == 0);
    CHECK(end.standard_output.find(" 0 failed") != std::string::npos);
}

TEST_CASE("a client reads in any size that was negotiated", "[vfio_user]") {
    Serving from({"memory,idstr=a,size=200000"});
    std::string whole;
    for (const std::uint32_t size : {1048576U, 65535U, 65536U, 65537U, 4096U, 777U}) {
        CAPTURE(size);
        const RawClient client(from.socket());
        const auto ask = [&](const std::string& bytes) {
            client.send(bytes);
            std::string reply = client.receive(16);
            REQUIRE(reply.size() == 16);
            return reply + client.receive(number_at(reply, 4) - 16);
        };
        ask(message(1, version(std::string("{}\0", 3))));
        const auto set_state = [&](std::uint32_t state) {
            return number_at(
                ask(message(16, native(16U) + native(0x20002U) + native(state) + native(0U))), 8);
        };
        REQUIRE(set_state(3) == 1);
        check_error_reply(ask(message(17, native(1048585U) + native(1048577U))), EINVAL);
        check_error_reply(ask(message(17, native(size + 7) + native(size))), EINVAL);
        std::string state;
        for (std::uint32_t got = 1; got != 0;) {
            const std::string reply = ask(message(17, native(size + 8) + native(size)));
            REQUIRE(reply.size() == 24 + size);
            got = number_at(reply, 20);
            REQUIRE(got <= size);
            state += reply.substr(24, got);
        }
        if (whole.empty()) whole = state;
        CHECK(state == whole);
        REQUIRE(set_state(2) == 1);
    }
    CHECK(whole.size() > 200000);
}

TEST_CASE("a signal during a call that never returns says what is waited for", "[vfio_user]") {
    Serving served({"memory,idstr=a,size=1MiB,stuck=read"});
    const CommandEnd checked = run_command(
        {"check", "--device", served.client(), "--stall-timeout", "1s", "--item", "stream-end"});
    CHECK(checked.exit_code != 0);
    served.command().process().signal(SIGTERM);
    CHECK(served.says("a second signal ends this command at once"));
    CHECK(served.end_by(SIGTERM).exit_code == 128 + SIGTERM);
    CHECK_FALSE(std::filesystem::exists(served.socket()));
}

TEST_CASE("what a command line of serve-device lacks is said", "[vfio_user]") {
    const TemporaryFolder folder;
    const auto refused = [](const Words& arguments) {
        const CommandEnd end = run_command(Words{"serve-device"} + arguments);
        CHECK(end.exit_code == kUsage);
        return end.standard_error;
    };
    CHECK(refused({}).find("a --socket PATH for each --device") != std::string::npos);
    CHECK(refused({"--socket", folder / "s"}).find("1 and 0 were given") != std::string::npos);
    CHECK(refused({"--socket", folder / "s", "--device", "memory,idstr=a", "--interface", "v3"})
              .find("v2 or v1") != std::string::npos);
    CHECK(refused({"--socket", folder / "s", "--device", "memory,idstr=a", "--shared-backing",
                   folder / "none"})
              .find("No such file") != std::string::npos);
    CHECK(refused({"--socket", folder / "s", "--device", "memory,idstr=a", "--socket",
                   folder / "./s", "--device", "memory,idstr=b"})
              .find("is given twice") != std::string::npos);
    const CommandEnd busy =
        run_command({"serve-device", "--socket", "/nonexistent/s", "--device", "memory,idstr=a"});
    CHECK(busy.exit_code == kConnection);
    CHECK(busy.standard_error.find("/nonexistent/s") != std::string::npos);
}

}  // namespace multifd

// Peers that a test plays by hand: they say what a correct multifd never would, or nothing at all.
#pragma once

#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "channels/transport/connection_listener.hpp"
#include "channels/wire/hello.hpp"
#include "channels/wire/message_bodies.hpp"
#include "channels/wire/migration_stream_writer.hpp"
#include "channels/wire/return_path.hpp"
#include "engine/main_channel/main_channel_reader.hpp"
#include "engine/ownership/session_record.hpp"
#include "multifd/destination.hpp"
#include "multifd/listener.hpp"
#include "multifd/source.hpp"
#include "tests/engine/sessions/scripted_device.hpp"
#include "tests/support/connection_pair.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {

/// The one device of these sessions is "gpu0"; it has this state at the source.
ScriptedDevice::Script scripted_state();

/// A message from the other end.
struct Heard {
    std::uint16_t type = 0;
    std::vector<std::byte> body;
};

/// Reads messages from a connection, return path or control.
class MessageListener {
  public:
    /// The next message; nothing when the connection has ended, or patience has.
    std::optional<Heard> next(Connection& connection, bool control);

  private:
    std::vector<std::byte> unread_;
};

/// Shows life on a control connection, as the other end's watchdog wants it, until it ends.
class Heartbeats {
  public:
    explicit Heartbeats(Connection& control);
    void stand_still() noexcept { moves_ = false; }  ///< Life without progress.

  private:
    std::atomic<bool> moves_ = true;
    std::jthread thread_;
};

/// A destination that follows the test's script. Its steps fail the test when the source does
/// something else.
class ScriptedDestination : private SectionClassifier {
  public:
    ScriptedDestination();

    [[nodiscard]] std::string address() const;
    /// The main channel, up to the source's question who this is.
    void meet_source();
    void say(ReturnPathType type, std::span<const std::byte> body = {});
    void say_hello();  ///< HELLO and PONG.
    void let_in();     ///< The source's hello, and all of its connections.
    void greet();      ///< All of that, and READY.
    std::vector<std::byte> await_command(std::uint16_t id);
    /// What the source says that it has sent.
    std::vector<VerifyEntry> await_table();
    void say_loaded(std::span<const VerifyEntry> table);
    /// Loads and says so, and gets the source's Commit.
    void be_committed();
    void fall_silent() { heartbeats_.reset(); }
    void stand_still() { heartbeats_->stand_still(); }
    void close_all();  ///< Dies.

    Hello hello;  ///< What say_hello() says.
    Connection main, control;
    std::vector<Connection> channels;

  private:
    SectionKind kind_of(std::string_view, std::uint32_t) const noexcept override {
        return SectionKind::device;
    }

    TemporaryFolder folder_;
    ConnectionListener listener_;
    Interrupt interrupt_;
    std::optional<MainChannelReader> reader_;
    std::optional<Heartbeats> heartbeats_;
};

/// A real Source in a thread of its own.
class RunningSource {
  public:
    RunningSource();
    ~RunningSource();

    void start(const std::string& address);
    Source& source() { return *source_; }
    [[nodiscard]] bool ended() const;
    [[nodiscard]] bool await_status(Status status) const;
    Report await();
    /// What its record says.
    [[nodiscard]] Decision decision() const;

    SourceSettings settings;
    std::shared_ptr<ScriptedDevice> device;

  private:
    TemporaryFolder folder_;
    std::unique_ptr<Source> source_;
    std::future<Report> report_;
};

/// A source that follows the test's script, as ScriptedDestination.
class ScriptedSource {
  public:
    explicit ScriptedSource(const std::string& address);

    void open();         ///< Header to the question who the other end is.
    void await_hello();  ///< Its HELLO and PONG.
    void say_hello();    ///< HELLO, PING, its PONG.
    void connect_all();  ///< Control connection and channels, and its READY.
    void greet();        ///< All of that.
    StreamWriter& records() { return records_; }
    void flush();          ///< Sends the records.
    void send_start();     ///< START of the device.
    void send_packets();   ///< The device's state on channel 0; all channels end.
    void send_sections();  ///< SWITCHOVER_START to VMDESCRIPTION.
    void send_state();     ///< All three.
    [[nodiscard]] std::vector<VerifyEntry> table() const;
    void say_table(std::span<const VerifyEntry> table);
    void be_loaded();  ///< State, table, and its LOADED.
    [[nodiscard]] static std::vector<std::byte> hello();
    /// The next message on the return path must be this one; its body.
    std::vector<std::byte> hear(ReturnPathType type);
    /// The error that the other end tells on the control connection.
    PeerError hear_error();
    void fall_silent() { heartbeats_.reset(); }
    void close_all();  ///< Dies.

    std::vector<std::byte> state, config;
    Connection main, control;
    std::vector<Connection> channels{2};
    SessionId session;

  private:
    Connection connect_with_init(std::uint32_t magic, std::uint8_t id);

    std::string address_;
    std::vector<std::byte> pending_;
    StreamWriter records_{pending_};
    MessageListener return_path_, control_messages_;
    std::optional<Heartbeats> heartbeats_;
};

/// A real Destination in a thread of its own.
class RunningDestination {
  public:
    /// On a UNIX socket, or where it is told to listen.
    explicit RunningDestination(const std::string& listen = "");
    ~RunningDestination();

    void start();
    [[nodiscard]] std::string address() const { return listener_.address(); }
    Destination& destination() { return *destination_; }
    [[nodiscard]] bool ended() const;
    [[nodiscard]] bool await_status(Status status) const;
    Report await();
    [[nodiscard]] Decision decision() const;

    DestinationSettings settings;
    std::shared_ptr<ScriptedDevice> device;

  private:
    TemporaryFolder folder_;
    Listener listener_;
    std::unique_ptr<Destination> destination_;
    std::future<Report> report_;
};

}  // namespace multifd

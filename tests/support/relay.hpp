// A relay between the two commands that knows packets and messages, and can spoil them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/loopback.hpp"
#include "tests/support/main_channel_tracker.hpp"

namespace multifd {

using Bytes = std::vector<std::byte>;

/// One packet of a channel, whole.
struct RelayedPacket {
    unsigned channel = 0;
    std::uint64_t number = 0;  ///< Device-state packets of all channels are counted 0, 1, 2, ...
    bool device_state = false;
    bool config = false;
    std::string idstr;
    std::uint32_t idx = 0;
    Bytes bytes;
};

/// Where things stand in a device-state packet, for who wants to spoil it.
inline constexpr std::size_t kRelayedVersionOffset = 4;
inline constexpr std::size_t kRelayedStateVersionOffset = 276;
inline constexpr std::size_t kRelayedIdxOffset = 280;
inline constexpr std::size_t kRelayedFlagsOffset = 284;
inline constexpr std::size_t kRelayedDataOffset = 288;

/// A whole message, just before it is passed on.
struct RelayedMessage {
    enum class Way { main_channel, return_path, control_to_destination, control_to_source };
    Way way = Way::main_channel;
    std::string name;  ///< As the trackers name it.
};

/// What the relay does. Rules are called by its threads, one at a time; each may be empty.
struct RelayRules {
    /// Gives what is passed on in the place of a packet: nothing, the packet, several, others.
    std::function<std::vector<Bytes>(RelayedPacket&&)> packet;
    std::function<void(const RelayedMessage&)> message;
    /// A connection has come; "main", "control" or "channel N".
    std::function<void(const std::string&)> connected;
    /// Keeps all packets until this many channels have sent their end mark, then passes them on;
    /// each channel keeps its own order. 0: passes at once.
    unsigned hold_until_ended = 0;
    /// The order among the channels, at random; 0: the highest channel first.
    std::uint64_t release_seed = 0;
    /// Cuts one channel's connection after this many of its bytes.
    struct Cut {
        unsigned channel = 0;
        std::uint64_t bytes = 0;
    };
    std::optional<Cut> cut;
};

/// Listens on 127.0.0.1 and connects every connection on to the destination.
/// Ownership: owns its sockets and threads; the rules' references outlive it.
/// Threads:   go_silent() may be called from any thread, also from a rule.
/// Errors:    the constructor throws std::system_error; later errors close the connection they hit,
///            in both directions, as a middlebox would.
class Relay {
  public:
    Relay(std::string destination_address, RelayRules rules);
    ~Relay();
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    [[nodiscard]] std::string address() const;
    /// From now on reads nothing and passes nothing on; every connection stays open.
    void go_silent() noexcept;

  private:
    struct Link {
        Socket source;
        Socket destination;
    };
    struct HeldChannel {
        Link* link = nullptr;
        std::list<Bytes> packets;
        bool ended = false;
    };

    void accept_connections();
    void relay_forward(Link& link);
    void relay_main(Link& link, Bytes bytes);
    void relay_control(Link& link, Bytes bytes);
    void relay_channel(Link& link, Bytes bytes);
    void relay_backward(Link& link, RelayedMessage::Way way, bool messages);
    std::optional<RelayedPacket> read_packet(const Socket& source, unsigned channel);
    bool pass_packet(Link& link, RelayedPacket packet, std::uint64_t& sent);
    std::vector<Bytes> replacements_of(RelayedPacket packet);
    void hold(Link& link, unsigned channel, Bytes bytes, bool end_mark);
    void release_held();
    bool is_closing();
    void announce(RelayedMessage::Way way, const std::string& name);
    void connected(const std::string& what);
    bool send(const Socket& socket, std::span<const std::byte> bytes);
    std::size_t receive(const Socket& socket, std::span<std::byte> target);
    bool receive_full(const Socket& socket, std::span<std::byte> target);
    void wait_while_silent();
    void end_direction(const Socket& from, const Socket& to) noexcept;
    void shut(Link& link) noexcept;

    // Constant after construction.
    const std::string destination_address_;
    RelayRules rules_;
    Socket listener_;

    std::mutex rules_mutex_;  ///< One rule at a time.
    std::uint64_t packets_seen_ = 0;

    std::mutex mutex_;
    std::condition_variable changed_;
    bool silent_ = false;
    bool closing_ = false;
    bool released_ = false;
    std::map<unsigned, HeldChannel> held_;
    std::list<Link> links_;
    std::list<std::thread> threads_;
    std::thread acceptor_;
};

}  // namespace multifd

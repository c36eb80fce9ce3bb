// One migration between two real processes: `multifd receive` and `multifd send`.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tests/end_to_end/command.hpp"
#include "tests/support/relay.hpp"

namespace multifd {

/// What to migrate, and how. Options that both ends have anyway: deadlines (short ones), state
/// folders, `--on-unknown-owner exit`, reports.
struct Plan {
    enum class Transport { tcp_ipv4, tcp_ipv6, unix_socket };

    Transport transport = Transport::tcp_ipv4;
    Words listen;          ///< Where to listen instead; the source is given all of them.
    Words devices;         ///< Values of --device, for both ends.
    Words source_devices;  ///< More of them, for one end.
    Words destination_devices;
    Words options;  ///< For both ends.
    Words source_options;
    Words destination_options;
    std::optional<RelayRules> relay;  ///< Puts a relay between the ends (with tcp_ipv4).
    CommandSurroundings source_surroundings;
    CommandSurroundings destination_surroundings;
    std::chrono::milliseconds limit = kHangLimit;

    Plan& device(std::string description);
};

struct Outcome {
    CommandEnd source;
    CommandEnd destination;
    std::string invalid;  ///< What the schema does not allow in a report.
};

std::string describe(const Outcome& outcome);

/// Ownership: owns both processes, the relay and the folders; nothing is left behind.
/// Threads:   source() and destination() may be signalled from a relay's rule once start() has
///            begun it.
class Migration {
  public:
    /// The destination listens when this returns, or has ended.
    explicit Migration(Plan plan);
    ~Migration();

    /// Starts the source.
    void start();
    /// Waits for both, then reads what they left.
    Outcome finish();
    /// Waits for one; finish() then gives the same end.
    const CommandEnd& finish_source();
    const CommandEnd& finish_destination();

    [[nodiscard]] RunningCommand& source();
    [[nodiscard]] RunningCommand& destination();
    /// Null before start(), for rules that may be called early.
    [[nodiscard]] Process* source_process() noexcept;
    [[nodiscard]] Relay* relay() noexcept { return relay_.get(); }
    /// Where the destination listens: as its --address-file says.
    [[nodiscard]] const std::string& address() const noexcept { return address_; }
    /// All of its addresses.
    [[nodiscard]] const Words& addresses() const noexcept { return addresses_; }
    [[nodiscard]] std::string folder(std::string_view end) const { return folder_ / end; }
    [[nodiscard]] std::string source_state_folder() const;
    [[nodiscard]] std::string destination_state_folder() const;

  private:
    [[nodiscard]] std::string listen_address() const;
    [[nodiscard]] Words arguments(std::string_view end, const Words& devices,
                                  const Words& options) const;

    Plan plan_;
    TemporaryFolder folder_;
    std::string address_;
    Words addresses_;
    std::unique_ptr<RunningCommand> destination_;
    std::unique_ptr<RunningCommand> source_;
    std::optional<CommandEnd> source_end_;
    std::optional<CommandEnd> destination_end_;
    std::unique_ptr<Relay> relay_;  ///< Last: its rules may signal the processes until it is gone.
};

/// The usual case: start, finish, and both reports are valid.
Outcome migrate(Plan plan);

/// Checks what every completed migration promises: exit codes, statuses, one owner, running
/// devices, equal packets, bytes and digests at both ends, and the destination's figures in both
/// reports.
void check_completed(const Outcome& outcome);
/// Checks what every failure before commit promises: the source's devices run again (`running` by
/// default), the source owns them, a retry is safe, the destination's devices do not run.
void check_source_kept(const Outcome& outcome, const std::string& prior_state = "running");
/// Checks code and exit code of one end.
void check_failed(const CommandEnd& end, const std::string& code, int exit_code);

}  // namespace multifd

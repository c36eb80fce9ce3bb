// DestinationSession: one migration to this end, as a story of steps.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "channels/transport/connection_listener.hpp"
#include "channels/wire/hello_agreement.hpp"
#include "channels/wire/transfer_report.hpp"
#include "engine/main_channel/main_channel_reader.hpp"
#include "engine/ownership/destination_ownership.hpp"
#include "engine/packets/channel_receivers.hpp"
#include "engine/packets/inbound_packets.hpp"
#include "engine/session/migration_session.hpp"
#include "multifd/destination.hpp"

namespace multifd {

/// Threads:   run() once; cancel() and statistics() from any. The main thread reads the main
///            channel; a section's content is read on its device's thread while the main thread
///            waits; packets arrive on the channels' threads and are written on the devices'
///            threads.
class DestinationSession final : public MigrationSession, private SectionClassifier {
  public:
    DestinationSession(DestinationSettings settings, std::vector<DeviceEntry> devices, Host* host,
                       LogSink log);
    Report run(ConnectionListener& listener);
    CancelAnswer cancel() noexcept;
    /// Before run(), as SourceSession's.
    void number_from(std::uint32_t first_idx) noexcept { first_idx_ = first_idx; }

  private:
    // The story, in order: up to everything loaded and validated.
    bool load(ConnectionListener& listener);
    bool accept_source(ConnectionListener& listener);
    bool agree_with_source(ConnectionListener& listener);
    bool let_channels_in();
    Result<SessionDoor::Connections> collect_channels();
    bool source_has_gone();
    bool ready_devices();
    bool load_stream();
    bool await_load_threads();
    bool validate_devices();
    bool compare_tables();
    // Then the ownership machine decides.
    void settle_ownership(bool complete) noexcept;

    // Meeting (destination_connect.cpp).
    void draw_session_id();
    bool hears_a_source();
    Hello make_hello() const;
    std::string_view compression_name() const;
    bool handle_greeting(const Command& command, ConnectionListener& listener, bool& door_open);
    bool adopt(const Hello& source);
    bool adopt_qemu(ConnectionListener& listener);
    std::size_t buffers_wanted(std::size_t channels) const;
    bool make_plane(std::vector<Connection> channels);
    /// Tells the device what will come; false when it has no room for it.
    bool announce(DeviceSlot& slot);
    void borrow(DeviceSlot& slot);
    bool answer(ReturnPathType type, std::span<const std::byte> body = {});
    bool answer_ping(const Command& command);

    // The stream (destination_stream.cpp).
    enum class Stream { goes_on, complete };
    Result<Stream> take(const StreamEvent& event);
    Result<Stream> take_command(const Command& command);
    Result<Stream> take_section(const SectionBegin& begin);
    Result<> begin_switchover();
    Result<> begin_switchover_at(const Command& command);
    Result<> end_pre_copy(std::span<const SwitchoverEntry> entries);
    Result<> answer_pre_copy_query();
    bool acknowledge_initial_data();
    void start_load_thread(DeviceSlot& slot);
    void load_section(DeviceSlot& slot, const SectionBegin& begin);
    Result<> load_record(DeviceSlot& slot, const SectionBegin& begin, const StreamEvent& event);
    Result<> load_data(DeviceSlot& slot, const SectionBegin& begin, std::uint64_t bytes);
    Result<> load_main_config(DeviceSlot& slot, std::span<const std::byte> config);
    Result<> note_initial_data(const DeviceSlot& slot, std::uint32_t end, bool on_channels);
    Result<> load_host_section(const SectionBegin& begin);
    Result<> accept_main_state(DeviceSlot& slot);
    bool check_completeness();
    bool fail_stream(const ErrorCode& error);
    SectionKind kind_of(std::string_view idstr, std::uint32_t instance_id) const noexcept override;

    // Load threads (destination_load.cpp).
    void load_from_channels(DeviceSlot& slot);
    bool load_packet(DeviceSlot& slot, const Delivery& delivery);
    bool load_config_packet(DeviceSlot& slot, std::span<const std::byte> data);
    bool load_config(DeviceSlot& slot, std::span<const std::byte> config, std::uint32_t idx);
    void report_gap(const Refusal& gap);
    [[nodiscard]] Clock::duration downtime_since(Clock::time_point since) const noexcept;

    // The end (destination_commit.cpp).
    void raise(DestinationEvent event);
    void perform(const DestinationActions& actions) noexcept;
    void perform(DestinationAction action);
    std::optional<DestinationEvent> await_event();
    std::optional<DestinationEvent> read_verdict();
    void record(Decision decision);
    void send_verdict(ReturnPathType type);
    void send_loaded();
    void request_cancel();
    void clean_devices();
    void start_devices();
    bool start_host();
    void keep_stopped();
    Deadline last_question_at();
    bool hears_the_question();
    void refuse_source();
    void end_plane() noexcept;
    void conclude(Status status);
    TransferReport transfer_report() const;
    void add_downtime_parts();

    // MigrationSession, from other threads.
    void stop_data_plane() noexcept override;
    bool must_move() const override;
    Failure standstill() const override;
    bool needs_connection() const override;
    void on_peer_cancel() override {}
    void add_numbers(Statistics& statistics) const override;
    void on_return_path(const Message&) override {}
    void on_return_path_ended(ErrorCode) override {}

    // What loading keeps for a device.
    struct Incoming {
        static constexpr std::uint32_t kNotSent = limits::kIdxReserved;
        std::span<std::byte> lent;  ///< Memory the device lends; constant while it is resuming.
        bool touched = false;       ///< Was brought to RESUMING: must be cleaned.
        /// All initial data is loaded once the load thread is here: kNotSent before the mark, 0
        /// when the data came down the main channel. Written by the main thread.
        std::atomic<std::uint32_t> initial_end = kNotSent;
        bool by_main_channel = false;  ///< State came in its END section.
        bool end_seen = false;
        bool full_seen = false;
        bool load_thread_started = false;
    };

    const DestinationSettings settings_;
    const bool qemu_;
    std::vector<Incoming> incoming_;
    DeviceDirectory directory_;
    SessionId session_id_;
    std::vector<std::uint32_t> source_order_;  ///< By index in the source's hello: our DeviceId.
    std::uint32_t first_idx_ = 0;
    std::uint32_t channels_ = 0;
    std::size_t packet_bytes_ = 0;
    PacketEncodings encodings_;            ///< Agreed.
    bool transfer_report_wanted_ = false;  ///< The same.
    std::mutex answer_mutex_;  ///< For the return path, and the next; a load thread may answer.
    bool switchover_ack_sent_ = false;
    bool return_path_open_ = false;
    bool asked_for_hello_ = false;  ///< The source is multifd: it understands REFUSED.
    bool greeted_ = false;
    std::optional<Deadline> last_question_at_;  ///< After a failure.

    Connection main_;
    std::optional<MainChannelReader> reader_;
    std::unique_ptr<SessionDoor> door_;
    std::optional<BufferArena> main_buffer_;
    std::optional<PiecewiseHash> main_hash_;
    std::vector<VerifyEntry> source_table_;
    bool source_table_complete_ = false;

    // The data plane; the mutex guards only its coming and going against stop_data_plane().
    mutable std::mutex plane_mutex_;
    std::vector<std::string> channel_paths_;  ///< By channel.
    std::unique_ptr<InboundPackets> inbound_;
    std::unique_ptr<ChannelReceivers> receivers_;
    bool switched_over_ = false;

    mutable std::mutex ownership_mutex_;
    DestinationOwnership ownership_;
    std::condition_variable will_;  ///< Cancel, or release.
    bool released_ = false;         // Guarded by ownership_mutex_, as the next.
    bool cancel_requested_ = false;
    bool main_ended_ = false;  // Main thread only, as what follows.
    bool silence_told_ = false;
    std::string doubt_;  ///< Why this end is in doubt.
    std::optional<Report> report_;

    std::vector<std::chrono::microseconds> receiving_before_;  ///< By channel.
    std::optional<Clock::time_point> switchover_, loaded_, validated_, committed_, running_;
};

}  // namespace multifd

// SourceSession: one migration from this end, as a story of steps.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "channels/memory/buffer_pool.hpp"
#include "channels/wire/hello_agreement.hpp"
#include "engine/main_channel/main_channel_writer.hpp"
#include "engine/main_channel/return_path_inbox.hpp"
#include "engine/ownership/source_ownership.hpp"
#include "engine/packets/channel_senders.hpp"
#include "engine/packets/send_pacer.hpp"
#include "engine/paths/network_paths.hpp"
#include "engine/session/migration_session.hpp"
#include "engine/source/convergence.hpp"
#include "engine/source/downtime_prediction.hpp"
#include "multifd/source.hpp"

namespace multifd {

/// Threads:   run() once; cancel() and statistics() from any. Jobs run on the devices' threads,
///            packets leave on the channels' threads, the return path is read on the control
///            thread.
class SourceSession final : public MigrationSession {
  public:
    SourceSession(SourceSettings settings, std::vector<DeviceEntry> devices, Host* host,
                  LogSink log);
    Report run();
    CancelAnswer cancel() noexcept;
    /// Before run(): the idx of every device's first packet. The protocol's is 0; a test comes near
    /// the last one this way.
    void number_from(std::uint32_t first_idx) noexcept;

  private:
    // The story, in order: up to the last byte of state.
    bool migrate();
    bool examine_devices();
    bool connect_main();
    bool agree_with_destination();
    bool open_channels();
    bool set_up_devices();
    bool iterate_pre_copy();
    bool ask_before_switchover();
    bool stop_devices();
    bool send_state();
    bool send_last_sections();
    // Then the ownership machine decides.
    void settle_ownership();

    // Connecting (source_connect.cpp).
    Hello make_hello() const;
    bool wants_compression() const;
    std::string_view compression_name() const;
    bool await_hello();
    bool send_hello();
    bool adopt(const Agreement& agreement);
    bool adopt_for_qemu();
    bool connect_channels(std::vector<Connection>& channels);
    bool connect_control();
    void fail_path(const NetworkPath& path, const std::string& what, const ErrorCode& error,
                   std::optional<ChannelId> channel = {});
    Result<Connection> connect_with_init(const NetworkPath& path, std::uint32_t magic,
                                         std::uint8_t id);
    bool await_ready();
    bool await_mail(const ReturnPathInbox::Predicate& arrived, Deadline deadline, const char* what);
    bool fail_main(const ErrorCode& error, const char* doing);

    // Pre-copy (source_pre_copy.cpp).
    bool send_start_sections();
    bool pre_copy_round();
    bool pre_copy_device(DeviceSlot& slot);
    bool measure_left(DeviceSlot& slot);
    bool await_dirt();
    bool save_host(SavePoint point);
    ErrorCode send_data(std::span<const std::byte> data, SendPacer& pacer);

    // Pre-copy over the channels (source_pre_copy_channels.cpp).
    void start_channel_rounds();
    bool channel_rounds_end() const;
    void pre_copy_to_channels(DeviceSlot& slot, Clock::time_point until);
    std::optional<std::size_t> fill_for_now(DeviceSlot& slot, std::span<std::byte> target,
                                            Clock::time_point until);
    bool tell_initial_data();
    bool numbers_run_out(const DeviceSlot& slot) const;

    // Whether to go on with it (source_convergence.cpp).
    bool may_switch();
    PreCopyOutlook look_ahead();
    std::uint64_t host_pending_bytes();
    std::uint64_t sent_bytes() const;
    bool may_switch_early(const PreCopyOutlook& outlook, const DeviceSlot& exhausted);
    bool ask_what_is_loaded();
    bool count_unloaded(PreCopyOutlook& outlook);

    // What the switchover will cost (source_prediction.cpp).
    double link_rate(double measured) const;
    double switchover_rate(double measured) const;
    bool held_by_rate_limit() const;
    std::string_view rate_origin(double link) const;
    SwitchoverOutlook switchover_outlook() const;
    bool predict_downtime();
    bool refuse_downtime(const PredictedDowntime& predicted, const std::string& text);
    void compare_downtime(std::chrono::microseconds downtime) const;

    // State (source_state.cpp).
    void order_submissions();
    void save_to_channels(DeviceSlot& slot);
    bool take_turn(SubmissionGate* gate, DeviceSlot& slot, OutboundPacket& packet);
    bool read_and_submit(DeviceSlot& slot, SubmissionGate* gate);
    bool submit_lent(DeviceSlot& slot, std::span<const std::byte> state, SubmissionGate* gate);
    bool submit(DeviceSlot& slot, OutboundPacket packet);
    void submit_config(DeviceSlot& slot);
    bool fail_over_long_read(const DeviceSlot& slot);
    std::optional<std::size_t> fill(DeviceSlot& slot, std::span<std::byte> target);
    std::optional<std::size_t> read_chunk(DeviceSlot& slot, std::span<std::byte> target);
    std::optional<std::size_t> read_some(DeviceSlot& slot, std::span<std::byte> target);
    void announce_switchover();
    void save_to_main_channel(DeviceSlot& slot);
    bool save_config(DeviceSlot& slot);
    bool send_end_sections();
    bool send_config_section(DeviceSlot& slot);

    // The end (source_commit.cpp).
    void perform(const SourceActions& actions) noexcept;
    MainChannelPosition main_position();
    CancelAnswer ask_to_cancel(Errc cause) noexcept;
    void perform(SourceAction action);
    void raise(SourceEvent event);
    SourceEvent await_event();
    std::optional<SourceEvent> verdict_of(const ReturnPathMail& mail, bool doubtful);
    SourceEvent refused_by(const PeerError& reason);
    void fail_return_path(const ErrorCode& error);
    SourceEvent failure_event() const;
    void send_end_of_stream();
    void send_command(std::uint16_t id, std::span<const std::byte> body);
    bool greeted_by_now();
    void send_abort();
    void verify();
    bool tables_agree();
    void record(Decision decision);
    void end_connections() noexcept;
    void end_plane() noexcept;

    // After the decision (source_settling.cpp).
    void keep_stopped();
    void resume_devices();
    void conclude(Status status);
    void name_slow_paths(Report& report) const;
    std::optional<DestinationTransfer> destination_transfer() const;
    void add_downtime_parts();

    // MigrationSession, from other threads.
    void stop_data_plane() noexcept override;
    bool must_move() const override;
    Failure standstill() const override;
    void add_evidence(Failure& failure) const override;
    bool needs_connection() const override;
    void on_peer_cancel() override;
    void add_numbers(Statistics& statistics) const override;
    void on_return_path(const Message& message) override;
    void on_return_path_ended(ErrorCode error) override { inbox_.end(error); }

    // What save jobs keep for a device until its packets have left.
    struct Outgoing {
        std::vector<std::byte> config;  ///< As the packet's payload or the section's bytes need it.
        std::uint32_t section_id = 0;
        bool initial_sent = false;  ///< INIT_DATA_SENT has left, or none is wanted.
        bool dry = false;           ///< The last round read nothing.
        PreCopySizes pre_copy;
        std::uint64_t stop_copy = 0;
        std::unique_ptr<SentDigest> digest;  ///< Of its packets, when digests were agreed.
    };
    class Sections;

    const SourceSettings settings_;
    const bool qemu_;
    std::vector<Outgoing> outgoing_;
    Hello hello_;
    std::uint64_t packet_bytes_ = 0;
    EncodingChoice encoding_;
    bool switchover_ack_ = false;
    std::uint64_t queries_ = 0;  ///< How often the destination was asked what it has loaded.
    std::uint64_t sent_when_asked_ = 0;
    std::uint64_t unloaded_bytes_ = 0;  ///< Sent and not loaded, when it answered last.
    bool hello_sent_ = false;
    bool host_paused_ = false;
    Counter host_bytes_;      ///< In sections of the host.
    PreCopyOutlook outlook_;  ///< On which the switchover was decided.
    std::optional<PredictedDowntime> predicted_;
    bool stopped_ = false;
    std::optional<Report> report_;
    SendPacer pre_copy_pacer_, switchover_pacer_;

    std::vector<NetworkPath> paths_;  ///< The first carries the main and control connections.
    Connection main_;
    std::optional<MainChannelWriter> writer_;
    ReturnPathInbox inbox_;
    SessionId session_id_;
    std::optional<BufferArena> main_buffer_;  ///< For state that goes down the main channel.

    // The data plane; the mutex guards only its coming and going against stop_data_plane().
    mutable std::mutex plane_mutex_;
    std::vector<std::string> channel_paths_;  ///< By channel.
    /// Before the buffers and the queue, where devices are to take turns; null where not.
    std::unique_ptr<SubmissionGate> buffer_gate_, queue_gate_;
    std::unique_ptr<BufferPool> pool_;
    std::unique_ptr<ChannelSenders> senders_;

    mutable std::mutex ownership_mutex_;
    SourceOwnership ownership_;
    bool released_ = false;  // Guarded by ownership_mutex_.

    // Bounds of the downtime's parts, on one clock.
    Clock::duration pre_copy_idle_{0};
    std::vector<std::chrono::microseconds> sending_before_;  ///< By channel, before the stop.
    Clock::time_point pre_copy_began_, stop_began_, stopped_at_, state_sent_at_, loaded_at_,
        verified_at_;
    std::optional<Clock::time_point> running_at_;
};

}  // namespace multifd

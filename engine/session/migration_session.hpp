// MigrationSession: what a source and a destination have in common: failing, waiting, telling.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "channels/transport/interrupt.hpp"
#include "engine/ownership/ownership.hpp"
#include "engine/ownership/record_keeper.hpp"
#include "engine/ownership/session_record.hpp"
#include "engine/packets/channel_counters.hpp"
#include "engine/packets/channel_samples.hpp"
#include "engine/packets/device_traffic.hpp"
#include "engine/paths/channel_placement.hpp"
#include "engine/session/control_thread.hpp"
#include "engine/session/device_slot.hpp"
#include "engine/session/failure.hpp"
#include "engine/session/migration_status.hpp"
#include "engine/session/processor_time.hpp"
#include "engine/session/stall_watch.hpp"
#include "multifd/host.hpp"
#include "multifd/log.hpp"
#include "multifd/report.hpp"
#include "multifd/settings.hpp"

namespace multifd {

/// Whether an action concerns a device.
using DevicePredicate = std::function<bool(const DeviceSlot&)>;

/// The common part of one migration at one end. Always owned by a shared_ptr: a job that sits in a
/// device call that never returns shares the session, and so keeps alive what it touches.
/// Threads:   fail(), failed(), log(), status() and the numbers from any; the steps on the
///            session's main thread, the caller of run(); set_state() inside a device's job.
/// Errors:    fail() keeps the first cause; steps return false once the session has failed.
class MigrationSession : public std::enable_shared_from_this<MigrationSession>,
                         protected ControlEvents {
  public:
    MigrationSession(const MigrationSession&) = delete;
    MigrationSession& operator=(const MigrationSession&) = delete;

    /// Ends the migration with its cause: every wait of the data plane returns. Any thread. Nothing
    /// once the outcome is sealed.
    void fail(Failure failure) noexcept;
    /// A failed device call; nothing when it was only interrupted by an earlier failure.
    void fail_call(const DeviceSlot& slot, const char* call, const CallOutcome& outcome);
    [[nodiscard]] bool failed() const noexcept { return first_failure_.failed(); }
    /// Whether the first cause is a cancel, of this end or of the other.
    [[nodiscard]] bool was_cancelled() const;
    void log(LogLevel level, const std::string& message) const noexcept;
    [[nodiscard]] Status status() const;
    [[nodiscard]] Statistics statistics() const;

  protected:
    MigrationSession(Role role, const CommonSettings& settings, std::vector<DeviceEntry> devices,
                     Host* host, LogSink log);
    ~MigrationSession() = default;

    // What the two roles add.
    virtual void stop_data_plane() noexcept = 0;  ///< Ends every wait; once, from fail().
    virtual bool must_move() const = 0;           ///< Whether a standstill now is a fault.
    virtual Failure standstill() const = 0;       ///< Names what is awaited.
    /// To a standstill or the end of a channel: what this end knows of its reason.
    virtual void add_evidence(Failure&) const {}
    /// Whether the end of the control connection is bad news now.
    virtual bool needs_connection() const = 0;
    virtual void on_peer_cancel() = 0;
    virtual void add_numbers(Statistics& statistics) const = 0;

    // Steps.
    void set_status(Status next) noexcept;
    /// Records a cause without stopping anything; the first one counts.
    void note(Failure failure) noexcept;
    /// Makes every wait return, once a cause is on record. Idempotent.
    void stop_everything() noexcept;
    /// From here on fail() changes nothing: what remains must not be interrupted from outside.
    /// False when the session has failed already.
    bool seal_outcome() noexcept;
    /// Devices that do peer DMA are only moved together when all have a P2P state, as QEMU has it.
    bool check_peer_dma();
    /// Runs `job` on the device's thread and waits for its end or for the session's failure.
    bool run_job(DeviceSlot& slot, std::function<void()> job);
    /// The same on all devices at once that `which` picks.
    bool run_jobs(const DevicePredicate& which, const std::function<void(DeviceSlot&)>& job);
    bool await_job(DeviceSlot& slot);
    bool set_state(DeviceSlot& slot, DeviceState target);
    /// Takes one step of the host on its thread; `name` is a literal.
    bool ask_host(const char* name, const std::function<CallResult(Host&, std::stop_token)>& step);
    /// While the host's step is back in the engine, its time is not the host's.
    [[nodiscard]] CallWorker::Pause pause_host_call() noexcept {
        return CallWorker::Pause(*host_worker_);
    }
    void start_control();
    bool prepare_records();
    /// What the session's record says from here on.
    RecordOutcome write_record(Decision decision) noexcept;
    /// The first record of the session, or its failure.
    bool begin_record();
    /// Gives a broken connection's better explanation a moment to arrive, then tells the peer.
    /// Once.
    void settle_cause();
    void end_control() noexcept;
    [[nodiscard]] Deadline deadline_in(Clock::duration time) const { return Clock::now() + time; }
    /// The phase's limit starts anew.
    void begin_phase() noexcept;

    // After the end. These have deadlines of their own; problems are collected, not raised.
    /// Whether all jobs that a failure interrupted have ended, within one short grace in all.
    bool await_quiet();
    void leave_stuck_devices();
    /// One call on all devices at once that `which` picks and that are not stuck; whether all went
    /// well. `reached` is the state a device is in then.
    bool settle_devices(const char* call, const DevicePredicate& which,
                        const std::function<CallResult(Device&)>& step,
                        std::optional<DeviceState> reached = {});
    bool settle_states(DeviceState target, const DevicePredicate& which);
    void add_problem(const DeviceSlot& slot, const std::string& problem);
    void refresh_states();
    /// One line about what went wrong; empty when nothing did.
    std::string settle_host(const char* name,
                            const std::function<CallResult(Host&, std::stop_token)>& step);
    /// Makes `status` the last one, or cancelled where a cancel made it a failure; returns which.
    Status settle_status(Status status);
    void fill_report(Report& report) const;
    static void add_owner(Report& report, const OwnershipSummary& summary);
    /// What the channels carried, and what of it was each device's.
    static void add_traffic(Statistics& statistics, std::span<const ChannelCounters> channels,
                            std::span<const DeviceTraffic> devices);
    /// Decides where the channels' threads run; `local` is this end's socket of the main channel.
    void place_channels(int local, std::size_t channels);
    /// Adds to add_traffic()'s channels where they went and what TCP knows; `paths` by channel.
    void describe_channels(Statistics& statistics, const std::vector<std::string>& paths) const;
    void mark_transfer_began() noexcept;
    void mark_transfer_ended() noexcept;
    /// Nothing until both marks are made.
    std::optional<TransferCost> transfer_cost() const;
    /// What this end counted for the device, as it stands in a verify table; `device` is 0.
    [[nodiscard]] VerifyEntry count(const DeviceSlot& slot) const;
    static bool same_counts(const VerifyEntry& one, const VerifyEntry& other) noexcept;
    static std::string in_words(const VerifyEntry& counts);
    void add_part(std::string_view name, Clock::duration time);

    // Constant once the session has begun.
    const Role role_;
    const CommonSettings common_;
    const LogSink log_sink_;
    Host* const host_;
    std::vector<std::unique_ptr<DeviceSlot>> devices_;
    std::string session_text_;  ///< Empty until agreed; written before other threads read it.
    std::string peer_;
    std::optional<ChannelPlacement> placement_;  ///< From place_channels() on.
    mutable ChannelSamples samples_;
    std::vector<AgreedSetting> agreed_;
    bool agreed_verify_ = false;
    bool pre_copy_on_channels_ = false;  ///< Agreed, for one device at least.

    // Shared.
    FirstFailure first_failure_;
    Interrupt interrupt_;
    std::atomic<std::uint64_t> progress_ = 0;  // Publishes nothing but itself, as the next.
    std::atomic<std::uint64_t> peer_progress_ = 0;
    // When state transfer began and ended, on our clock; 0 before. Publish nothing but themselves.
    std::atomic<Clock::rep> transfer_began_ = 0, transfer_ended_ = 0;
    std::atomic<bool> watching_ = true;  ///< The watchdog judges; off after the end.
    ControlThread control_;              ///< Started with the session.
    mutable std::mutex names_mutex_;     ///< Guards session_text_ and peer_ while they change.

    // Main thread only.
    RecordKeeper records_;
    std::string device_problem_;  ///< "gpu0 is in error"; what settling could not do.
    Clock::time_point began_;
    std::optional<Deadline> quiet_deadline_;  ///< Until when interrupted calls may return.
    bool cause_settled_ = false;
    Clock::duration record_time_{0};  ///< What the first record took to be durable.
    std::optional<Clock::time_point> set_up_;
    std::string congestion_control_;  ///< What the main channel's socket uses; empty: no TCP.
    std::vector<DowntimePart> downtime_parts_;
    ProcessorTime used_at_transfer_, used_by_transfer_;

  private:
    // ControlEvents, on the control thread.
    void on_tick(Clock::time_point now) override;
    Heartbeat heartbeat() override;
    void on_heartbeat(const Heartbeat& peer) override;
    void on_peer_error(const PeerError& error) override;
    void on_cancel_request() override { on_peer_cancel(); }
    void on_control_ended(ErrorCode error) override;
    void on_control_fault(std::exception_ptr fault) override;
    void watch_calls(Clock::time_point now);
    void watch_peer(Clock::time_point now);
    void watch_progress(Clock::time_point now);
    double transfer_rate(const Statistics& numbers, Clock::time_point now) const;

    std::shared_ptr<CallWorker> host_worker_;
    std::stop_source host_stop_;
    std::atomic<bool> host_may_wait_ = false;  // The host's step has no deadline.
    std::mutex stop_mutex_;                    // Guards sealed_ and interrupts_sent_.
    std::condition_variable stop_done_;
    bool sealed_ = false;
    bool interrupts_sent_ = false;
    std::atomic<bool> plane_stopped_ = false;  // Set once, by who stops everything.
    mutable std::mutex status_mutex_;
    StatusTracker status_;
    std::atomic<Clock::rep> phase_began_;  // Publishes nothing but itself.
    // Control thread only.
    StallWatch stall_watch_;
    Clock::time_point last_tick_;
    Clock::time_point resumed_at_;  ///< When this process last went on after it had been stopped.
};

}  // namespace multifd

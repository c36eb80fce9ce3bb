#include "engine/ownership/record_keeper.hpp"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "channels/transport/quiet_thread.hpp"

namespace multifd {

struct RecordKeeper::Desk {
    explicit Desk(const std::string& folder) : store(folder) {}

    std::mutex mutex;
    std::condition_variable changed;
    // Guarded by mutex.
    bool prepare = false;
    std::optional<SessionRecord> pending;
    std::uint64_t asked = 0;  ///< Tickets given out.
    std::uint64_t done = 0;   ///< The last one carried out; those before it are void.
    bool ok = true;           ///< How that went.
    bool stopping = false;
    std::string problem;
    // Touched only on the thread.
    RecordStore store;

    void run();
    bool carry_out(bool preparing, const std::optional<SessionRecord>& record) noexcept;
    void tell_problem() noexcept;
};

bool RecordKeeper::Desk::carry_out(bool preparing,
                                   const std::optional<SessionRecord>& record) noexcept {
    try {
        if (preparing && !store.prepare()) return false;
        return !record || !store.write(*record);
    } catch (...) {
        return false;  // Out of memory: nothing durable was promised.
    }
}

// Under the mutex. On the thread's own ground nothing may escape.
void RecordKeeper::Desk::tell_problem() noexcept {
    try {
        problem = store.problem();
    } catch (...) {
        problem.clear();
    }
}

void RecordKeeper::Desk::run() {
    std::unique_lock lock(mutex);
    for (;;) {
        changed.wait(lock, [this] { return stopping || asked != done; });
        if (asked == done) return;
        const auto ticket = asked;
        const bool preparing = std::exchange(prepare, false);
        const auto record = std::exchange(pending, std::nullopt);
        lock.unlock();
        const bool carried_out = carry_out(preparing, record);
        lock.lock();
        done = ticket;
        ok = carried_out;
        if (!ok) tell_problem();
        changed.notify_all();
    }
}

RecordKeeper::RecordKeeper(const std::string& folder) : desk_(std::make_shared<Desk>(folder)) {
    start_quiet_thread("multifd-record", [desk = desk_] { desk->run(); }).detach();
}

RecordKeeper::~RecordKeeper() {
    const std::scoped_lock lock(desk_->mutex);
    desk_->stopping = true;
    desk_->changed.notify_all();
}

RecordOutcome RecordKeeper::prepare(Deadline deadline, const std::function<bool()>& give_up) {
    std::uint64_t ticket = 0;
    {
        const std::scoped_lock lock(desk_->mutex);
        desk_->prepare = true;
        ticket = ++desk_->asked;
        desk_->changed.notify_all();
    }
    return await(ticket, deadline, give_up);
}

RecordOutcome RecordKeeper::write(const SessionRecord& record, Deadline deadline,
                                  const std::function<bool()>& give_up) {
    std::uint64_t ticket = 0;
    {
        const std::scoped_lock lock(desk_->mutex);
        desk_->pending = record;
        ticket = ++desk_->asked;
        desk_->changed.notify_all();
    }
    return await(ticket, deadline, give_up);
}

RecordOutcome RecordKeeper::await(std::uint64_t ticket, Deadline deadline,
                                  const std::function<bool()>& give_up) {
    std::unique_lock lock(desk_->mutex);
    desk_->changed.wait_until(lock, deadline,
                              [&] { return desk_->done >= ticket || (give_up && give_up()); });
    if (desk_->done >= ticket) return desk_->ok ? RecordOutcome::written : RecordOutcome::failed;
    desk_->problem = "the disk that keeps the ownership records does not answer (--state-dir)";
    return RecordOutcome::late;
}

void RecordKeeper::wake() noexcept {
    { const std::scoped_lock lock(desk_->mutex); }
    desk_->changed.notify_all();
}

std::string RecordKeeper::problem() const {
    const std::scoped_lock lock(desk_->mutex);
    return desk_->problem;
}

}  // namespace multifd

#include "tests/end_to_end/moments.hpp"

#include <array>
#include <future>
#include <mutex>
#include <random>
#include <set>
#include <utility>

namespace multifd {
namespace {

/// In the order in which they come.
constexpr std::array kMessages{"main command 2",        "back pong",         "main hello",
                               "connected channel 1",   "back ready",        "main section start",
                               "main switchover-start", "main section full", "main eof",
                               "main verify",           "back loaded",       "main commit",
                               "back running"};

std::string prefix_of(RelayedMessage::Way way) {
    switch (way) {
        case RelayedMessage::Way::main_channel:
            return "main ";
        case RelayedMessage::Way::return_path:
            return "back ";
        case RelayedMessage::Way::control_to_destination:
            return "control ";
        case RelayedMessage::Way::control_to_source:
            break;
    }
    return "control back ";
}

}  // namespace

std::vector<Moment> moments_of_a_migration(std::size_t count, std::uint64_t packets,
                                           std::uint64_t seed) {
    std::vector<Moment> moments(kMessages.begin(), kMessages.end());
    std::mt19937_64 random(seed);
    while (moments.size() < count)
        moments.push_back("packet " + std::to_string(random() % packets));
    return moments;
}

struct MomentousMigration::State {
    Moment moment;
    Action action;
    MomentousMigration* self = nullptr;
    std::promise<void> started;
    std::shared_future<void> has_started = started.get_future().share();

    mutable std::mutex mutex;
    std::set<Moment> moments_seen;

    std::unique_ptr<Migration> migration;  ///< Last: its relay calls the rest until it is gone.

    void see(const Moment& what) {
        {
            const std::lock_guard lock(mutex);
            if (!moments_seen.insert(what).second) return;
        }
        if (what != moment) return;
        // The first connection may come before the source's process is known here.
        has_started.wait();
        action(*self);
    }
};

MomentousMigration::MomentousMigration(Plan plan, Moment moment, Action action)
    : state_(std::make_unique<State>()) {
    State* state = state_.get();
    state->moment = std::move(moment);
    state->action = std::move(action);
    state->self = this;
    RelayRules rules;
    rules.packet = [state](RelayedPacket&& packet) {
        state->see("packet " + std::to_string(packet.number));
        std::vector<Bytes> same;
        same.push_back(std::move(packet.bytes));
        return same;
    };
    rules.message = [state](const RelayedMessage& message) {
        state->see(prefix_of(message.way) + message.name);
    };
    rules.connected = [state](const std::string& what) { state->see("connected " + what); };
    plan.relay = std::move(rules);
    state->migration = std::make_unique<Migration>(std::move(plan));
}

MomentousMigration::~MomentousMigration() = default;

void MomentousMigration::start() {
    state_->migration->start();
    state_->started.set_value();
}

Migration& MomentousMigration::migration() noexcept {
    return *state_->migration;
}

bool MomentousMigration::seen(const Moment& moment) const {
    const std::lock_guard lock(state_->mutex);
    return state_->moments_seen.contains(moment);
}

}  // namespace multifd

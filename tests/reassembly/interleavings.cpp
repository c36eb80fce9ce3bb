#include "tests/reassembly/interleavings.hpp"

#include <algorithm>
#include <unordered_set>

namespace multifd::interleavings {
namespace {

enum class Phase : std::uint8_t { head, paused, receiving, ended };

/// One run: where each channel is, and the destination behind them.
class Run {
  public:
    Run(const Channels& channels, std::uint32_t devices, const Factory& factory)
        : channels_(&channels),
          devices_(devices),
          destination_(factory()),
          lines_(channels.size()) {}

    [[nodiscard]] std::uint32_t step_count() const {
        return 2 * static_cast<std::uint32_t>(lines_.size()) + devices_;
    }

    /// False when the step is not possible now or changes nothing.
    bool step(std::uint32_t number) {
        const auto count = static_cast<std::uint32_t>(lines_.size());
        if (number < count) return attempt(number);
        if (number < 2 * count) return receive(number - count);
        return destination_->load(number - 2 * count);
    }

    [[nodiscard]] std::uint64_t key() const {
        std::uint64_t key = destination_->fingerprint() << 1 | (refused_ ? 1U : 0U);
        for (const Line& line : lines_) {
            key = key << 6 | static_cast<std::uint64_t>(line.position << 2) |
                  static_cast<std::uint64_t>(line.phase);
        }
        return key;
    }
    [[nodiscard]] bool refused() const { return refused_; }
    [[nodiscard]] const Destination& destination() const { return *destination_; }

  private:
    struct Line {
        std::size_t position = 0;
        Phase phase = Phase::head;
    };

    bool attempt(std::uint32_t channel) {
        Line& line = lines_[channel];
        if (line.phase == Phase::receiving || line.phase == Phase::ended) return false;
        if (line.position == (*channels_)[channel].size()) {
            destination_->ended(channel);
            line.phase = Phase::ended;
            return true;
        }
        const Phase before = line.phase;
        switch (destination_->attempt(channel, (*channels_)[channel][line.position])) {
            case Destination::Verdict::admitted:
                line.phase = Phase::receiving;
                break;
            case Destination::Verdict::paused:
                line.phase = Phase::paused;
                break;
            case Destination::Verdict::refused:
                refused_ = true;
                return true;
        }
        return line.phase != before;
    }

    bool receive(std::uint32_t channel) {
        Line& line = lines_[channel];
        if (line.phase != Phase::receiving) return false;
        destination_->received(channel);
        line.phase = Phase::head;
        ++line.position;
        return true;
    }

    const Channels* channels_;
    std::uint32_t devices_;
    std::unique_ptr<Destination> destination_;
    std::vector<Line> lines_;
    bool refused_ = false;
};

/// Depth first. A destination cannot be copied, so each branch repeats the steps that led to it.
class Walk {
  public:
    Walk(const Channels& channels, std::uint32_t devices, const Factory& factory)
        : channels_(channels), devices_(devices), factory_(factory) {}

    Findings findings() {
        visit(fresh());
        return findings_;
    }

  private:
    [[nodiscard]] Run fresh() const { return {channels_, devices_, factory_}; }

    [[nodiscard]] Run repeat() const {
        Run run = fresh();
        for (const std::uint32_t number : path_) run.step(number);
        return run;
    }

    void visit(Run run) {
        ++findings_.states;
        run.destination().check();
        findings_.held_max = std::max(findings_.held_max, run.destination().held());
        if (run.refused()) {
            ++findings_.refusals;
            return;
        }
        const bool complete = run.destination().complete();
        const bool gap = run.destination().declares_gap();
        const std::uint32_t step_count = run.step_count();
        bool moved = false;
        bool used = false;  // whether `run` is no longer in this state
        for (std::uint32_t number = 0; number < step_count; ++number) {
            if (used) run = repeat();
            used = run.step(number);
            if (!used) continue;
            moved = true;
            if (!seen_.insert(run.key()).second) continue;
            path_.push_back(number);
            visit(std::move(run));
            path_.pop_back();
        }
        if (moved) {
            findings_.false_gaps += gap ? 1 : 0;
        } else {
            ++(complete ? findings_.completions : gap ? findings_.gaps : findings_.deadlocks);
        }
    }

    const Channels& channels_;
    std::uint32_t devices_;
    const Factory& factory_;
    std::vector<std::uint32_t> path_;
    std::unordered_set<std::uint64_t> seen_;
    Findings findings_;
};

}  // namespace

Findings& Findings::operator+=(const Findings& other) {
    states += other.states;
    completions += other.completions;
    refusals += other.refusals;
    gaps += other.gaps;
    deadlocks += other.deadlocks;
    false_gaps += other.false_gaps;
    held_max = std::max(held_max, other.held_max);
    return *this;
}

Findings explore(const Channels& channels, std::uint32_t devices, const Factory& factory) {
    return Walk(channels, devices, factory).findings();
}

void for_each_order(const std::vector<std::uint32_t>& packets, std::size_t config_bytes,
                    const std::function<void(const Channels&)>& use) {
    std::vector<std::uint32_t> order;  // which device comes at each place
    for (std::uint32_t d = 0; d < packets.size(); ++d) order.insert(order.end(), packets[d], d);
    do {
        for (std::uint32_t spread = 0; spread < 1U << (order.size() - 1); ++spread) {
            Channels channels(2);
            std::vector<std::uint32_t> next(packets.size(), 0);
            for (std::size_t place = 0; place < order.size(); ++place) {
                const std::uint32_t device = order[place];
                const std::uint32_t idx = next[device]++;
                const bool config = idx + 1 == packets[device];
                channels[(spread << 1 >> place) & 1].push_back(
                    {.device = device,
                     .idx = idx,
                     .config = config,
                     .bytes = config ? config_bytes : 1});
            }
            use(channels);
        }
    } while (std::next_permutation(order.begin(), order.end()));
}

}  // namespace multifd::interleavings

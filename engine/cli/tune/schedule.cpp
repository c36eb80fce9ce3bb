#include "engine/cli/tune/schedule.hpp"

#include <algorithm>
#include <numeric>

#include "channels/wire/assert.hpp"
#include "engine/cli/tune/spread.hpp"

namespace multifd::tuning {
namespace {

constexpr double kAsGood = 1.05;
constexpr std::uint32_t kFailuresMax = 2;

std::size_t half_of(std::size_t count) {
    return (count + 1) / 2;
}

}  // namespace

Schedule::Schedule(std::size_t cases, ScheduleRules rules)
    : rules_(rules), standings_(cases), alive_(cases) {
    std::iota(alive_.begin(), alive_.end(), std::size_t{0});
}

std::optional<Turn> Schedule::next() const {
    if (alive_.empty() || round_ > rules_.repeat) return std::nullopt;
    return Turn{alive_[position_], round_};
}

void Schedule::record(std::optional<double> cost) {
    const auto turn = next();
    MULTIFD_ASSERT(turn.has_value());
    if (turn->round == 0) {
        round_ = 1;
        return;
    }
    Standing& standing = standings_[turn->case_index];
    if (cost) {
        standing.costs.push_back(*cost);
    } else {
        ++standing.failures;
    }
    if (++position_ == alive_.size()) end_round();
}

void Schedule::end_round() {
    drop_hopeless();
    if (rules_.quick && round_ < rules_.repeat) drop_slower_half();
    position_ = 0;
    ++round_;
}

void Schedule::drop_hopeless() {
    std::erase_if(alive_, [this](std::size_t index) {
        Standing& standing = standings_[index];
        const std::uint32_t most = rules_.quick ? 1 : kFailuresMax;
        if (!standing.costs.empty() || standing.failures < most) return false;
        standing.dropped_after = round_;
        return true;
    });
}

void Schedule::drop_slower_half() {
    if (alive_.size() < 2) return;
    const auto median_of = [this](std::size_t index) {
        return spread_of(standings_[index].costs).median;
    };
    std::vector<std::size_t> ranked = alive_;
    std::ranges::stable_sort(ranked, {}, median_of);
    const double good_enough = median_of(ranked.front()) * kAsGood;
    for (std::size_t place = half_of(ranked.size()); place < ranked.size(); ++place) {
        if (median_of(ranked[place]) <= good_enough) continue;
        standings_[ranked[place]].dropped_after = round_;
        std::erase(alive_, ranked[place]);
    }
}

std::size_t Schedule::remaining() const {
    if (!next()) return 0;
    std::size_t runs = round_ == 0 ? 1 : alive_.size() - position_;
    std::size_t alive = alive_.size();
    for (std::uint32_t round = round_ + 1; round <= rules_.repeat; ++round) {
        // The warm-up and the first round are run by the same cases.
        if (rules_.quick && round > 1) alive = half_of(alive);
        runs += alive;
    }
    return runs;
}

std::optional<std::uint32_t> Schedule::dropped_after(std::size_t case_index) const {
    return standings_[case_index].dropped_after;
}

}  // namespace multifd::tuning

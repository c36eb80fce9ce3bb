#include "engine/cli/tune/results.hpp"

#include <algorithm>

#include "channels/wire/assert.hpp"

namespace multifd::tuning {
namespace {

/// Closer than this, the downtime of two cases is the same.
constexpr double kSame = 1.02;

double downtime_of(const CaseResult& result) {
    return result.median.value_or_zero(Figure::downtime);
}

/// A case that was dropped has lost, whatever its few runs said.
bool may_win(const CaseResult& result, bool any_stayed) {
    return result.measured() && (!any_stayed || !result.dropped_after);
}

std::optional<std::size_t> find_best(const std::vector<CaseResult>& cases) {
    const bool any_stayed =
        std::ranges::any_of(cases, [](const CaseResult& result) { return may_win(result, true); });
    std::optional<double> shortest;
    for (const CaseResult& result : cases) {
        if (!may_win(result, any_stayed)) continue;
        shortest = std::min(shortest.value_or(downtime_of(result)), downtime_of(result));
    }
    if (!shortest) return std::nullopt;
    std::optional<std::size_t> best;
    const auto cost = [](const CaseResult& result) {
        return result.median.value_or_zero(Figure::cpu_per_gigabyte);
    };
    for (std::size_t index = 0; index < cases.size(); ++index) {
        const CaseResult& result = cases[index];
        if (!may_win(result, any_stayed) || downtime_of(result) > *shortest * kSame) continue;
        if (!best || cost(result) < cost(cases[*best])) best = index;
    }
    return best;
}

}  // namespace

Spread CaseResult::spread(Figure figure) const {
    std::vector<double> values;
    for (const Figures& run : runs) {
        if (const auto value = run.get(figure)) values.push_back(*value);
    }
    MULTIFD_ASSERT(!values.empty());
    return spread_of(std::move(values));
}

void conclude(Results& results, const Schedule& schedule) {
    results.cases.assign(results.matrix.cases.size(), {});
    for (const RunRecord& run : results.runs) {
        if (run.turn.round == 0) continue;
        CaseResult& result = results.cases[run.turn.case_index];
        if (run.figures) result.runs.push_back(*run.figures);
        if (run.failure) ++result.failures;
    }
    for (std::size_t index = 0; index < results.cases.size(); ++index) {
        results.cases[index].median = medians(results.cases[index].runs);
        results.cases[index].dropped_after = schedule.dropped_after(index);
    }
    results.best = find_best(results.cases);
    if (!results.best) return;
    results.verdict = judge(results.cases[*results.best].median,
                            {.cores = results.circumstances.cores,
                             .both_ends_here = both_ends_here(results.circumstances)});
}

}  // namespace multifd::tuning

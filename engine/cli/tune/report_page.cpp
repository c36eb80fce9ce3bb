#include "engine/cli/tune/report_page.hpp"

#include <cmath>
#include <numeric>

#include "engine/cli/readable.hpp"
#include "engine/cli/tune/charts.hpp"
#include "engine/cli/tune/page_style.hpp"
#include "engine/cli/tune/plots.hpp"
#include "engine/cli/tune/results_text.hpp"
#include "engine/cli/tune/svg.hpp"
#include "engine/cli/tune/timeline.hpp"

namespace multifd::tuning {
namespace {

std::string card(const std::string& heading, const std::string& hint, const std::string& body) {
    return "<section class=\"card\"><h2>" + html_escape(heading) + "</h2>\n<p class=\"hint\">" +
           html_escape(hint) + "</p>\n" + body + "</section>\n";
}

std::string tile(const std::string& value, const std::string& what, const char* style = "tile") {
    return "<div class=\"" + std::string(style) + "\"><b>" + html_escape(value) + "</b><span>" +
           html_escape(what) + "</span></div>\n";
}

/// The median of the best case; nothing when there is none, or no such figure.
std::optional<double> of_best(const Results& results, Figure figure) {
    return results.best ? results.cases[*results.best].median.get(figure) : std::nullopt;
}

std::string heading(const Results& results) {
    const Circumstances& where = results.circumstances;
    const Workload& workload = results.workload;
    std::string lead = std::to_string(workload.devices) +
                       (workload.devices == 1 ? " device" : " devices") + " of " +
                       readable_bytes(workload.state_size) + ", memory " +
                       std::string(to_string(workload.memory)) + ", " +
                       std::to_string(workload.compressible_percent) + "% compressible; " +
                       (where.to.empty() ? "both ends on " + where.host + " over loopback"
                                         : "from " + where.host + " to " + where.to) +
                       "; " + std::to_string(where.cores) + " cores";
    const auto there = of_best(results, Figure::destination_cores);
    if (there && !both_ends_here(where)) {
        lead += " here, " + std::to_string(std::lround(*there)) + " there";
    }
    if (!where.processor.empty()) lead += " (" + where.processor + ")";
    lead += ", Linux " + where.kernel;
    if (!where.congestion_control.empty()) lead += ", TCP " + where.congestion_control;
    return "<h1>multifd tune</h1>\n<p class=\"lead\">" + html_escape(lead) + "; begun " +
           html_escape(where.started_at) + ".</p>\n";
}

std::string verdict(const Results& results) {
    std::string text = results.verdict ? results.verdict->sentence
                                       : "No run has completed, so there is nothing to compare: "
                                         "the table below says why.";
    std::string note;
    if (results.partial) {
        note =
            "<p class=\"hint\">The tuning was ended before it had made all its runs: what "
            "follows is what it had measured by then.</p>\n";
    }
    const bool elsewhere = !results.circumstances.to.empty();
    if (results.best && elsewhere && !of_best(results, Figure::destination_cpu)) {
        note +=
            "<p class=\"hint\">What only the destination knows is not in these figures, since it "
            "does "
            "not tell it: the processor time of its end and its parts of the downtime stand in the "
            "reports of its own <code>receive --serve --json</code>.</p>\n";
    }
    return "<section class=\"card verdict" + std::string(results.verdict ? "" : " partial") +
           "\"><p>" + html_escape(text) + "</p>\n" + note + "</section>\n";
}

std::string tiles(const Results& results) {
    if (!results.best) return "";
    const CaseResult& best = results.cases[*results.best];
    const Spread downtime = best.spread(Figure::downtime);
    std::string text =
        tile(readable_time(downtime.median), "downtime, " + readable_time(downtime.low) + " to " +
                                                 readable_time(downtime.high) + " in " +
                                                 std::to_string(best.runs.size()) + " runs");
    if (best.median.get(Figure::rate)) {
        text += tile(short_number(best.median.value_or_zero(Figure::rate) / 1e9) + " GB/s",
                     "of state while the devices are stopped");
    }
    if (best.median.get(Figure::cpu_per_gigabyte)) {
        const bool both = best.median.get(Figure::destination_cpu).has_value();
        text += tile(short_number(best.median.value_or_zero(Figure::cpu_per_gigabyte)) + " s/GB",
                     both ? "processor time of both ends" : "processor time of the source");
    }
    text += tile(results.matrix.label(*results.best), "the best settings: best.toml", "tile words");
    return "<div class=\"tiles\">\n" + text + "</div>\n";
}

std::string timeline_card(const Results& results) {
    const auto timeline = read_timeline(results.samples);
    if (!timeline) return "";
    return card("Timeline of the best settings",
                "One more run, which does not count: bytes per second that each device has given "
                "and each channel has taken, at the source. Rows of a kind have one scale.",
                draw(*timeline));
}

std::string outcome_of(const Results& results, std::size_t index) {
    const CaseResult& result = results.cases[index];
    if (result.failures != 0) {
        for (const RunRecord& run : results.runs) {
            if (run.turn.case_index != index || !run.failure || run.turn.round == 0) continue;
            return std::to_string(result.failures) + " failed: " + run.failure->code;
        }
    }
    if (result.dropped_after) {
        return "dropped after round " + std::to_string(*result.dropped_after);
    }
    return result.measured() ? "" : "not run";
}

std::string spread_cell(const CaseResult& result, Figure figure, double unit) {
    if (!result.median.get(figure)) return "<td class=\"muted\">-</td>";
    const Spread spread = result.spread(figure);
    std::string cell = "<td>" + short_number(spread.median / unit);
    if (result.runs.size() > 1) {
        cell += " <span>" + short_number(spread.low / unit) + "&ndash;" +
                short_number(spread.high / unit) + "</span>";
    }
    return cell + "</td>";
}

std::string case_row(const Results& results, std::size_t index) {
    const CaseResult& result = results.cases[index];
    const bool best = results.best == index;
    std::string row = std::string("<tr") + (best ? " class=\"best\"" : "") +
                      "><td class=\"text\">" + std::to_string(index) + "</td>";
    for (std::size_t axis = 0; axis < results.matrix.axes.size(); ++axis) {
        row += "<td>" + html_escape(results.matrix.value(index, axis).text) + "</td>";
    }
    row += spread_cell(result, Figure::downtime, 1e3) + spread_cell(result, Figure::rate, 1e9) +
           spread_cell(result, Figure::cpu_per_gigabyte, 1) + "<td>" +
           std::to_string(result.runs.size()) + "</td>";
    return row + "<td class=\"text " + (result.failures != 0 ? "bad" : "muted") + "\">" +
           html_escape(outcome_of(results, index)) + "</td></tr>\n";
}

std::string case_table(const Results& results) {
    std::string text = "<table><thead><tr><th class=\"text\">case</th>";
    for (const Axis& axis : results.matrix.axes) {
        text += "<th>" + html_escape(axis.dimension->name) + "</th>";
    }
    text +=
        "<th>downtime, ms</th><th>GB/s</th><th>CPU s/GB</th><th>runs</th>"
        "<th class=\"text\"></th></tr></thead><tbody>\n";
    for (const std::size_t index : by_downtime(results)) text += case_row(results, index);
    return card("All settings",
                "Medians, with the lowest and the highest of the counted runs; the "
                "shortest downtime first.",
                text + "</tbody></table>\n");
}

std::string failure_table(const Results& results) {
    std::string rows;
    for (const RunRecord& run : results.runs) {
        if (!run.failure) continue;
        rows += "<tr><td class=\"text\">" + html_escape(results.matrix.label(run.turn.case_index)) +
                "</td><td>" + (run.turn.round == 0 ? "warm-up" : std::to_string(run.turn.round)) +
                "</td><td class=\"text bad\">" + html_escape(run.failure->code) +
                "</td><td class=\"text wrap\">" + html_escape(run.failure->message) +
                "</td></tr>\n";
    }
    if (rows.empty()) return "";
    return card("Runs that failed", "They count for nothing above.",
                "<table><thead><tr><th class=\"text\">settings</th><th>round</th>"
                "<th class=\"text\">error</th><th class=\"text\"></th></tr></thead><tbody>\n" +
                    rows + "</tbody></table>\n");
}

std::string use_card(const Results& results) {
    const std::string settings = best_settings(results);
    if (settings.empty()) return "";
    return card("Use it", "best.toml, which send and receive take with --config.",
                "<pre>" + html_escape_lines(settings) + "</pre>\n");
}

std::string shares_card(const Results& results) {
    if (!results.verdict) return "";
    return card("What was busy",
                "In the best settings, as a part of the time in which state moved; "
                "they work at the same time, so the parts do not add up.",
                draw_shares(results.verdict->shares));
}

}  // namespace

std::string report_page(const Results& results) {
    std::string body = heading(results) + verdict(results) + tiles(results);
    if (results.best) {
        body += rate_and_cost_cards(results) + downtime_card(results) + timeline_card(results) +
                shares_card(results);
    }
    body += case_table(results) + failure_table(results) + use_card(results);
    return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
           "<title>multifd tune</title>\n<style>" +
           std::string(kPageStyle) + "</style>\n</head>\n<body>\n<main>\n" + body +
           "</main>\n</body>\n</html>\n";
}

}  // namespace multifd::tuning

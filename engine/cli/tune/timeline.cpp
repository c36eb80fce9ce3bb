#include "engine/cli/tune/timeline.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/cli/tune/svg.hpp"

namespace multifd::tuning {
namespace {

using Json = nlohmann::json;

constexpr double kWide = 900;
constexpr double kLeft = 110;
constexpr double kRight = 96;
constexpr double kRow = 30;
constexpr double kTop = 26;
/// More rows than this say no more.
constexpr std::size_t kRowsMax = 24;
constexpr double kGigabyte = 1e9;
constexpr double kMillisecond = 1000;
constexpr double kSecond = 1e6;

/// A total over time.
struct Curve {
    std::vector<double> at_us;
    std::vector<double> bytes;

    /// Between two samples it grows evenly.
    [[nodiscard]] double value(double us) const {
        const auto after = std::ranges::lower_bound(at_us, us);
        if (after == at_us.begin()) return bytes.front();
        if (after == at_us.end()) return bytes.back();
        const auto index = static_cast<std::size_t>(after - at_us.begin());
        const double span = at_us[index] - at_us[index - 1];
        const double part = span > 0 ? (us - at_us[index - 1]) / span : 1;
        return bytes[index - 1] + part * (bytes[index] - bytes[index - 1]);
    }
};

TimelineRow row_of(std::string name, const Curve& curve, double span_us) {
    TimelineRow row{std::move(name), {}};
    const double bucket_us = span_us / static_cast<double>(kTimelineBuckets);
    double before = curve.value(0);
    for (std::size_t bucket = 1; bucket <= kTimelineBuckets; ++bucket) {
        const double now = curve.value(bucket_us * static_cast<double>(bucket));
        row.rates.push_back(std::max(now - before, 0.0) / bucket_us * kSecond);
        before = now;
    }
    return row;
}

std::vector<TimelineRow> rows_of(const Json& samples, const char* kind, const Json& names,
                                 const std::string& prefix, double span_us) {
    std::vector<TimelineRow> rows;
    for (std::size_t index = 0; index < names.size(); ++index) {
        Curve curve;
        for (const Json& sample : samples) {
            const Json& values = sample.at(kind);
            curve.at_us.push_back(sample.at("at-us").get<double>());
            curve.bytes.push_back(index < values.size() ? values.at(index).get<double>() : 0.0);
        }
        const Json& name = names.at(index);
        const std::string text = name.is_string() ? name.get<std::string>() : name.dump();
        rows.push_back(row_of(prefix + text, curve, span_us));
    }
    return rows;
}

Timeline timeline_of(const Json& json) {
    const Json& samples = json.at("samples");
    Timeline timeline;
    timeline.span_us = samples.back().at("at-us").get<double>();
    timeline.devices = rows_of(samples, "devices", json.at("devices"), "", timeline.span_us);
    timeline.channels =
        rows_of(samples, "channels", json.at("channels"), "channel ", timeline.span_us);
    for (const Json& sample : samples) {
        if (sample.at("status") != "device") continue;
        const double at_us = sample.at("at-us").get<double>();
        if (!timeline.stopped_from_us) timeline.stopped_from_us = at_us;
        timeline.stopped_to_us = at_us;
    }
    return timeline;
}

double fastest(const std::vector<TimelineRow>& rows) {
    double most = 0;
    for (const TimelineRow& row : rows) {
        for (const double rate : row.rates) most = std::max(most, rate);
    }
    return most;
}

double x_of(double us, const Timeline& timeline) {
    return kLeft + (kWide - kLeft - kRight) * us / timeline.span_us;
}

/// One row's rates as an area above its base line; all rows of a kind have the same scale.
void draw_row(Svg& svg, const Timeline& timeline, const TimelineRow& row, double base, double most,
              const char* color) {
    constexpr double kHeight = kRow - 6;
    const double bucket_us = timeline.span_us / static_cast<double>(row.rates.size());
    std::vector<Point> corners{{x_of(0, timeline), base}};
    double highest = 0;
    for (std::size_t bucket = 0; bucket < row.rates.size(); ++bucket) {
        const double y = base - (most > 0 ? row.rates[bucket] / most * kHeight : 0);
        const double from_us = bucket_us * static_cast<double>(bucket);
        corners.push_back({x_of(from_us, timeline), y});
        corners.push_back({x_of(from_us + bucket_us, timeline), y});
        highest = std::max(highest, row.rates[bucket]);
    }
    corners.push_back({x_of(timeline.span_us, timeline), base});
    svg.polygon(corners, color);
    svg.line({kLeft, base}, {kWide - kRight, base}, "grid");
    svg.text({kLeft - 10, base - 6}, "name end", row.name);
    svg.text({kWide - kRight + 8, base - 6}, "tick start",
             "max " + short_number(highest / kGigabyte) + " GB/s");
}

double draw_rows(Svg& svg, const Timeline& timeline, const std::vector<TimelineRow>& rows,
                 double top, const char* color) {
    const double most = fastest(rows);
    double base = top;
    for (std::size_t index = 0; index < std::min(rows.size(), kRowsMax); ++index) {
        base += kRow;
        draw_row(svg, timeline, rows[index], base, most, color);
    }
    if (rows.size() <= kRowsMax) return base;
    svg.text({kLeft, base + 14}, "note start",
             "and " + std::to_string(rows.size() - kRowsMax) + " more");
    return base + 16;
}

}  // namespace

std::optional<Timeline> read_timeline(const std::string& samples) {
    try {
        const Json json = Json::parse(samples);
        if (json.at("samples").size() < 2) return std::nullopt;
        Timeline timeline = timeline_of(json);
        if (!(timeline.span_us > 0)) return std::nullopt;
        return timeline;
    } catch (const Json::exception&) {
        return std::nullopt;
    }
}

std::string draw(const Timeline& timeline) {
    const auto shown = [](const auto& rows) {
        return static_cast<double>(std::min(rows.size(), kRowsMax)) * kRow +
               (rows.size() > kRowsMax ? 16 : 0);
    };
    constexpr double kGap = 14;
    const double bottom = kTop + shown(timeline.devices) + kGap + shown(timeline.channels);
    Svg svg(kWide, bottom + 44, "Rate of every device and channel over time");
    if (timeline.stopped_from_us) {
        const double from = x_of(*timeline.stopped_from_us, timeline);
        const double to = x_of(*timeline.stopped_to_us, timeline);
        svg.rectangle({from, kTop - 12}, {std::max(to - from, 1.0), bottom - kTop + 12}, "stopped");
        svg.text({from + 4, kTop - 14}, "note start", "devices stopped");
    }
    const std::vector<double> ticks = ticks_up_to(timeline.span_us / kMillisecond);
    for (const double tick : ticks) {
        const double x = x_of(tick * kMillisecond, timeline);
        if (x > kWide - kRight + 1) break;
        svg.line({x, kTop}, {x, bottom}, "grid");
        svg.text({x, bottom + 18}, "tick middle", short_number(tick));
    }
    const double middle = draw_rows(svg, timeline, timeline.devices, kTop, "area c0");
    draw_rows(svg, timeline, timeline.channels, middle + kGap, "area c2");
    svg.text({(kLeft + kWide - kRight) / 2, bottom + 38}, "note middle",
             "milliseconds since the start");
    return svg.finish();
}

}  // namespace multifd::tuning

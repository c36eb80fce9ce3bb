#include <algorithm>
#include <cstdio>

#include "engine/cli/check/output.hpp"

namespace multifd::checking {
namespace {

/// For an attribute or a text. XML 1.0 has no control characters but tab and line end, and nothing
/// here needs to be other than ASCII.
std::string escaped(std::string_view text) {
    std::string xml;
    for (const char letter : text) {
        switch (letter) {
            case '<':
                xml += "&lt;";
                break;
            case '>':
                xml += "&gt;";
                break;
            case '&':
                xml += "&amp;";
                break;
            case '"':
                xml += "&quot;";
                break;
            case '\n':
                xml += "\n";
                break;
            default:
                xml += letter >= ' ' && letter <= '~' ? letter : '?';
        }
    }
    return xml;
}

std::string attribute(const char* name, std::string_view value) {
    return std::string(" ") + name + "=\"" + escaped(value) + "\"";
}

std::string seconds(std::chrono::microseconds time) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.6f", static_cast<double>(time.count()) / 1e6);
    return text.data();
}

std::string failure_element(const CheckOutcome& outcome, const CheckedItem& item) {
    std::string details = item.reason + "\n";
    if (!outcome.kept.empty()) details += "kept in " + outcome.kept + "\n";
    for (const std::string& call : outcome.report.failure->calls) details += call + "\n";
    return "    <failure" + attribute("message", item.reason) + ">" + escaped(details) +
           "</failure>\n";
}

std::string case_element(const CheckOutcome& outcome, const CheckedItem& item) {
    std::string xml = "  <testcase" + attribute("classname", "multifd.check." + outcome.idstr) +
                      attribute("name", item.item.name) + attribute("time", seconds(item.time));
    switch (item.result) {
        case CheckResult::passed:
            return xml + "/>\n";
        case CheckResult::failed:
            return xml + ">\n" + failure_element(outcome, item) + "  </testcase>\n";
        case CheckResult::skipped:
            return xml + ">\n    <skipped" + attribute("message", item.reason) +
                   "/>\n  </testcase>\n";
    }
    return xml;
}

}  // namespace

std::string check_junit(const CheckOutcome& outcome) {
    const auto& items = outcome.report.items;
    const auto count = [&items](CheckResult result) {
        return std::to_string(std::ranges::count(items, result, &CheckedItem::result));
    };
    std::chrono::microseconds time{0};
    for (const CheckedItem& item : items) time += item.time;
    std::string xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite" +
                      attribute("name", "multifd check " + outcome.idstr) +
                      attribute("tests", std::to_string(items.size())) +
                      attribute("failures", count(CheckResult::failed)) + attribute("errors", "0") +
                      attribute("skipped", count(CheckResult::skipped)) +
                      attribute("time", seconds(time)) + ">\n";
    for (const CheckedItem& item : items) xml += case_element(outcome, item);
    return xml + "</testsuite>\n";
}

}  // namespace multifd::checking

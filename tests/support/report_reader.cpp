#include "tests/support/report_reader.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace multifd {

using nlohmann::json;

struct JsonReport::Document {
    json root;

    [[nodiscard]] const json* at(std::string_view path) const {
        const json* place = &root;
        while (!path.empty()) {
            const auto dot = path.find('.');
            const std::string step(path.substr(0, dot));
            path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
            if (place->is_object() && place->contains(step)) {
                place = &(*place)[step];
            } else if (place->is_array() && !step.empty() &&
                       step.find_first_not_of("0123456789") == std::string::npos &&
                       std::stoul(step) < place->size()) {
                place = &(*place)[std::stoul(step)];
            } else {
                return nullptr;
            }
        }
        return place;
    }
};

JsonReport::JsonReport(std::shared_ptr<const Document> document) : document_(std::move(document)) {}

std::optional<JsonReport> JsonReport::parse(std::string_view text) {
    json root = json::parse(text, nullptr, false);
    if (root.is_discarded()) return std::nullopt;
    return JsonReport(std::make_shared<const Document>(Document{std::move(root)}));
}

bool JsonReport::has(std::string_view path) const {
    const json* place = document_->at(path);
    return place != nullptr && !place->is_null();
}

std::string JsonReport::text(std::string_view path) const {
    const json* place = document_->at(path);
    return place != nullptr && place->is_string() ? place->get<std::string>() : std::string();
}

std::uint64_t JsonReport::number(std::string_view path) const {
    const json* place = document_->at(path);
    return place != nullptr && place->is_number_unsigned() ? place->get<std::uint64_t>() : 0;
}

double JsonReport::real(std::string_view path) const {
    const json* place = document_->at(path);
    return place != nullptr && place->is_number() ? place->get<double>() : 0;
}

bool JsonReport::flag(std::string_view path) const {
    const json* place = document_->at(path);
    return place != nullptr && place->is_boolean() && place->get<bool>();
}

std::size_t JsonReport::size(std::string_view path) const {
    const json* place = document_->at(path);
    return place != nullptr && place->is_structured() ? place->size() : 0;
}

std::string JsonReport::whole() const {
    return document_->root.dump(2);
}

}  // namespace multifd

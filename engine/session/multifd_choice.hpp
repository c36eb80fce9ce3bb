// A device's multifd property as the hello says it.
#pragma once

#include "channels/wire/hello.hpp"
#include "multifd/settings.hpp"

namespace multifd {

constexpr MultifdChoice choice_of(MultifdProperty property) noexcept {
    switch (property) {
        case MultifdProperty::automatic:
            return MultifdChoice::automatic;
        case MultifdProperty::on:
            return MultifdChoice::on;
        case MultifdProperty::off:
            return MultifdChoice::off;
    }
    return MultifdChoice::automatic;
}

}  // namespace multifd

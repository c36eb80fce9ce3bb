#include "channels/wire/error.hpp"

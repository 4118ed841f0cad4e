"""What people say beyond the intents package: own sentence templates, in hassil's template language.

Slots: {r} a phrase for the things meant, {place} where (or nothing: here), {pct} a percentage, {speed} a fan speed,
{color}, {white} a white tone, {temp} degrees, {item} a list entry, {list} a list, {query} something to play,
{duration}, {state}, {text} free words, {by} a change in percent.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Templates with one meaning. `kind` is what {r} names, or, without {r}, what the sentence is about."""

    action: str
    kind: str
    templates: tuple[str, ...]
    weight: float = 1.0


def _recipe(action: str, kind: str, text: str, weight: float = 1.0) -> Recipe:
    return Recipe(action, kind, tuple(line.strip() for line in text.strip().splitlines() if line.strip()), weight)


RECIPES: tuple[Recipe, ...] = (
    # -- switching ---------------------------------------------------------------------------------------------
    _recipe("on", "switchable", """
        (turn|switch|flip|put) on {r}
        (turn|switch|put|flick) {r} on
        {r} on
        (power|fire|start) up {r}
        (activate|enable|power on) {r}
        get {r} (on|going|running)
        i (need|want) {r} (on|turned on|switched on)
        {r} should be on
        make sure {r} (is|are) (on|turned on)
        have {r} (turned on|on)
        let's have {r} on
        (could|can) {r} be (turned|switched) on
        bring {r} (on|online)
        i'd like {r} (on|turned on)
        energize {r}
        get {r} going
        could you get {r} going
        set {r} going
        (wake|boot) {r} up
        {r} (should|has to|needs to) be on
        (it's|is it) time for {r} [to be on]
        let {r} run
        have {r} running
        fire {r} up
        why (isn't|aren't) {r} on[,] (turn|switch) (it|them) on
        (we|i) could do with {r} (on|running)
        (put|pop|stick|whack|flick) {r} on
        could do with {r} [on]
        put us in {r}
        {r} mode [please]
        {r} on please
        """, 3),
    _recipe("off", "switchable", """
        (turn|switch|shut|power|flip) off {r}
        (turn|switch|shut|flick) {r} off
        {r} off
        (kill|cut|deactivate|disable|power down|shut down) {r}
        i (don't need|no longer need) {r} (on|anymore|any more)
        {r} can (go|be turned|be switched) off [now]
        make sure {r} (is|are) (off|turned off)
        (could|can) {r} be (turned|switched) off
        have {r} (turned off|off)
        stop {r}
        {r} should be off
        {r} (doesn't|don't) need to be (on|running) [anymore]
        (nobody|no one|nobody's|no one's) (is using|uses|using) {r}
        (nobody|no one) is (in|using) {place_only}[,] (turn|switch) {r} off
        i can't (sleep|concentrate|think|relax) with {r} on
        {r} (has|have) been on (all day|all night|for hours)[,] (turn|switch) (it|them|that) off
        i'm done with {r}
        (we're|i'm) (finished|done) with {r}
        (who|somebody) left {r} on[,] (turn|switch) it off
        {r} (is|are) wasting (power|electricity)
        that's enough of {r}
        give {r} a rest
        {r} out
        switch that {r} off
        there's no need for {r} (now|anymore)
        (take|put) {r} offline
        """, 3),
    _recipe("off", "switchable", """
        you can turn {r} off [now]
        no more {r}
        (end|quit|halt) {r}
        """, 3),
    _recipe("on", "light", """
        (light up|illuminate|lighten) {place_only}
        (light|brighten) {place_only} up
        lights on {place}
        it's [too|so|really|very|pretty] dark {place}
        it is [too|so|way too|really] (dark|gloomy|dim) {place}
        i can't see (anything|a thing|my hand|what i'm doing) {place}
        i can (hardly|barely) see [anything] {place}
        (we|i) (need|could use|want) (some|more|a little|a bit of) light {place}
        it's (pitch black|pitch dark|gloomy|dim|murky) {place}
        (give|get) (me|us) some light {place}
        let there be light {place}
        i'm (sitting|standing|stumbling around) in the dark {place}
        (somebody|someone) (should|could) turn the lights on {place}
        it's like a cave {place}
        night has fallen {place}
        it's getting dark {place}
        i keep (tripping|bumping into things) {place}
        (can|could) (we|i) get some light (on|over|by|near) {r}
        brighten up {place_only}
        i'm [going] (reading|cooking|working|looking for something) {place} and (need|want) [some] light
        throw some light on {place_only}
        shine some light {place}
        {r} (on|lit) please
        (light|fire up|ignite|illuminate) {r}
        hit {r}
        """, 2),
    _recipe("off", "light", """
        lights (out|off) {place}
        (kill|cut|douse) the lights {place}
        make it dark {place}
        darken {place_only}
        (nobody|no one) needs (light|lights) {place} [anymore]
        put out {r}
        (we|i) don't need [any|the] light[s] {place} [anymore]
        go dark {place}
        extinguish {r}
        black out {place_only}
        {r} out
        """, 1),
    _recipe("off", "any", """
        (turn|switch|shut|power) [absolutely] everything off {place_all}
        (turn|switch|shut|power) off everything {place_all}
        everything off {place_all}
        (i'm|we're|i am|we are) (leaving|heading out|going out|off to work)[,] (turn|switch|shut) everything off
        shut down everything {place_all}
        shut the whole place down
        """, 0.7),
    _recipe("on", "any", """
        (turn|switch) everything on {place_all}
        (turn|switch) on everything {place_all}
        """, 0.2),
    _recipe("toggle", "switchable", "toggle {r}\nflip {r}\nswitch the state of {r}", 0.3),
    # -- light ------------------------------------------------------------------------------------------------
    _recipe("set", "light", """
        (set|change|adjust|bring|put|turn) {r} to {pct}
        (set|dim|brighten|lower|raise|drop|bump|crank) {r} to {pct}
        [set] {r} [at|to] {pct}
        (set|change|adjust) the brightness of {r} to {pct}
        (set|change|adjust) {r} brightness to {pct}
        brightness [of] {r} {pct}
        (dim|turn down|turn up|bring up|bring down) {r} to {pct}
        {r} (at|to) {pct} brightness
        make {r} {pct} bright
        i want {r} at {pct}
        (turn|switch) {r} on (at|to) {pct}
        (turn|switch) on {r} (at|to) {pct} [brightness]
        run {r} at {pct}
        set the brightness {place} to {pct}
        {r} [to|at] {pct}
        {r} to {pct} please
        (put|turn|bring|crank|dim) {r} (on|to) {full}
        (turn|crank|bring) {r} {way_up} up
        (drop|take|knock) {r} down to {pct}
        could we have {r} at {pct}
        """, 2.8),
    _recipe("down", "light", "(turn|bring|dim) {r} {way} down\n{r} {way} down", 0.15),
    _recipe("set", "light", """
        (turn|set|make|change|switch|paint|colour|color) {r} [to] {color}
        (set|change) the colo[u]r of {r} to {color}
        {r} {color}
        i want {r} [to be] [in] {color}
        make {r} glow {color}
        {color} for {r}
        give {r} a {color} (glow|tint|color|colour)
        bathe {place_only} in {color}
        (set|make|turn) {place_only} {color}
        switch {r} over to {color}
        (turn|set) {r} [to] {color} (at|and) {pct}
        {r} should be {color}
        can we have {color} light {place}
        """, 1.8),
    _recipe("set", "light", """
        (set|change|turn|switch|make) {r} [to] {white}
        (set|change) {r} to a {white} tone
        (set|change) the color temperature of {r} to {white}
        {white} for {r}
        make {r} {white}
        i (want|prefer) {white} {place}
        give {r} a {white} tone
        """, 1),
    _recipe("up", "light", """
        (brighten|lighten) {r} [up] [a (bit|little|touch)]
        make {r} [a (bit|little|touch|lot)|slightly|much] brighter
        (turn|bring) up {r} [a (bit|little|notch)]
        (turn|bring) {r} up [a (bit|little|notch)]
        {r} [a (bit|little)] brighter
        (increase|raise|boost|up) the brightness [of {r}] [{place}]
        make it [a (bit|little)] brighter {place}
        more light {place}
        (increase|raise|boost|up) {r} by {by}
        (raise|increase) the brightness of {r} by {by}
        {r} (is|are) [a bit] too (dim|dark|weak|faint)
        brighten [up] {place_only} [a (bit|little)]
        crank up {r}
        {r} up [a (bit|notch|touch)]
        (bump|nudge) {r} up [a (bit|notch|little)]
        i can't read {place}
        can't see well enough {place}
        {r} could be [a (bit|little)] brighter
        """, 1.8),
    _recipe("down", "light", """
        (dim|soften|lower) {r} [a (bit|little|touch|notch)]
        dim {r} down
        make {r} [a (bit|little|touch|lot)|slightly|much] (dimmer|darker|softer|less bright)
        (turn|bring|take) down {r} [a (bit|little|notch)]
        (turn|bring|take) {r} down [a (bit|little|notch)]
        {r} [a (bit|little)] (dimmer|darker|lower)
        (reduce|lower|decrease) the brightness [of {r}] [{place}]
        make it [a (bit|little)] (dimmer|darker|less bright) {place}
        less light {place}
        it's [way|a bit|far] too bright {place}
        (reduce|lower|decrease|drop) {r} by {by}
        {r} (is|are) [way|a bit|far] too (bright|harsh|strong)
        the lights {place} (are|seem) too bright
        {r} down [a (bit|notch|touch)]
        not so bright {place}
        take the edge off {r}
        (turn|bring) {r} (down low|way down)
        the light {place} is (blinding|hurting my eyes|too harsh|too bright)
        tone {r} down
        set a (softer|cozier) mood {place}
        """, 1.8),
    # -- covers, valves ------------------------------------------------------------------------------------------
    _recipe("open", "cover", """
        (open|raise|lift|pull up|roll up|draw back|draw open|pull open) {r} [up]
        open up {r}
        {r} (open|up)
        get {r} open
        (roll|pull|bring|put|wind) {r} up
        let [some|the] (sun|sunshine|light|daylight|sunlight|morning) in {place}
        i want (to see the sun|some daylight|a view|to look outside) {place}
        make sure {r} (is|are) open
        i (need|want) {r} (open|opened|up)
        {r} should be (open|up)
        i need to get (in|out) through {r}
        let me (in|out) through {r}
        """, 2.2),
    _recipe("close", "cover", """
        (close|shut|lower|pull down|roll down|draw|drop|pull shut) {r} [down]
        close up {r}
        {r} (closed|shut|down)
        get {r} (closed|shut)
        (roll|pull|bring|put|let|wind) {r} down
        (the sun|the light|the sunlight|the glare) is (blinding me|in my eyes|too strong|annoying) {place}
        (there's|i'm getting) [a lot of|too much] glare [on my screen] {place}
        keep the sun out {place}
        (give us|i want|i need) [some|more] privacy {place}
        make sure {r} (is|are) (closed|shut|down)
        i (need|want) {r} (closed|shut|down)
        {r} should be (closed|down|shut)
        don't leave {r} open
        people can (look|see) in {place}
        the neighbo[u]rs can see (us|me|in) {place}
        """, 2.2),
    _recipe("set", "cover", """
        (set|move|put|bring|adjust|change) {r} to {pct}
        (set|adjust) {r} to {pct} (open|closed_position)
        (set|change) the position of {r} to {pct}
        {r} [to|at] {pct} open
        {r} to {pct}
        i want {r} {pct} open
        """, 1),
    _recipe("open", "cover", """
        (open|raise|lift) {r} [to] {pct}
        (open|raise|lift) {r} {pct} [of the way]
        (open|raise) {r} [by] {by}
        (crack|crack open) {r} to {pct}
        """, 0.8),
    _recipe("close", "cover", """
        (close|lower|shut) {r} [to] {pct}
        (close|lower|shut|drop) {r} {pct} [of the way]
        """, 0.6),
    _recipe("stop", "cover", """
        stop {r}
        stop moving {r}
        halt {r}
        hold {r} [right] there
        freeze {r}
        """, 0.4),
    _recipe("open", "valve", """
        (open|unclose) {r}
        (turn|switch) on {r}
        (turn|switch|get) {r} on
        start {r}
        start watering {place}
        (the plants|the lawn|the grass|the flowers|the tomatoes) (need|needs) (water|watering)
        let the water (flow|run) {place}
        water {place_only}
        give (the tomatoes|the plants|the lawn|the roses|the flowers|the basil) [some] (water|a drink)
        (the lawn|the garden|the grass|the hedge|the veggies) (could do with|could use|is begging for) a (drink|watering)
        it hasn't rained in (days|weeks)[,] (start|open|turn on) {r}
        let {r} run
        {r} on
        irrigate {place_only}
        """, 1.2),
    _recipe("close", "valve", """
        (close|shut|shut off) {r}
        (turn|switch|shut) off {r}
        (turn|switch|shut) {r} off
        stop {r}
        stop watering {place}
        cut off {r}
        stop the water {place}
        there's a (leak|flood) {place}[,] (close|shut) {r}
        that's enough water {place}
        (shut|turn|cut) (the water|the gas) off
        (turn|shut|cut) off (the water|the gas)
        (i can smell gas|it smells of gas|there's a gas leak)[,] (shut off|close|turn off) {r}
        there's a burst pipe[,] (shut|close|turn) {r} (off|)
        stop (watering|irrigating|misting|sprinkling) [{place}]
        it's raining[,] (stop|close|shut off) {r}
        {r} off
        no more water for {r}
        """, 1.4),
    _recipe("set", "valve", "(set|open|adjust) {r} to {pct}\nset the position of {r} to {pct}", 0.4),
    _recipe("open", "awning", """
        (extend|unroll|put out|roll out|open) {r}
        (put|roll|wind) {r} out
        (we|i) need [some|more] shade {place}
        {r} out
        """, 0.25),
    _recipe("close", "awning", """
        (retract|roll up|pull in|roll in|close) {r}
        (pull|bring|roll|wind) {r} [back] in
        {r} in
        the wind is picking up[,] (retract|pull in) {r}
        """, 0.25),
    _recipe("open", "garage", """
        open {r}
        open (the|my) garage
        open up the garage
        (i'm|we're) (home|pulling in|in the driveway|outside|almost there)[,] open (the garage|{r})
        let me into the garage
        {r} (up|open)
        garage [door] (open|please|up)
        get {r} open for the car
        """, 0.5),
    _recipe("close", "garage", """
        (close|shut) {r}
        (close|shut) (the|my) garage
        {r} (down|closed)
        (i'm|we're) (out|driving off|on the road)[,] (close|shut) (the garage|{r})
        the car is in[,] (close|shut) (up|the garage|{r})
        """, 0.4),
    # -- locks ---------------------------------------------------------------------------------------------------
    _recipe("lock", "lock", """
        lock {r}
        lock up {r}
        secure {r}
        (bolt|latch|deadbolt) {r}
        make sure {r} (is|are) locked
        {r} should be locked
        get {r} locked
        lock {r} up
        i (forgot|want) to lock {r}
        lock up [for the night]
        nobody should get in through {r}
        engage {r}
        keep {r} locked
        lock everything up
        lock all the doors
        i'm going to bed[,] lock {r}
        put the lock on {r}
        """, 1.6),
    _recipe("unlock", "lock", """
        unlock {r}
        unbolt {r}
        unlatch {r}
        (open|release|disengage) {r}
        make sure {r} (is|are) unlocked
        {r} should be unlocked
        let (the guests|my sister|the plumber|him|her|them|the delivery guy) in through {r}
        i'm (locked out|at the door)[,] open {r}
        undo {r}
        take the lock off {r}
        i (lost|forgot) my key[s][,] open {r}
        (someone|a friend|the cleaner|grandma) is at {r}[,] let (them|her|him) in
        (let|buzz) (them|him|her|us) in
        (the courier|my friend|the plumber|grandma) is at {r}[,] let (him|her|them) in
        unlock {r} for (me|us|grandma|the cleaner)
        """, 1.6),
    # -- fans and air ----------------------------------------------------------------------------------------------
    _recipe("set", "fan", """
        (set|change|adjust|turn|put|run|bring) {r} [speed] to {speed}
        (set|change|adjust) the speed of {r} to {speed}
        {r} [speed|at|to] {speed}
        (turn|switch) on {r} (at|to) {speed}
        (turn|switch) {r} on (at|to) {speed}
        run {r} at {speed}
        i want {r} (at|on) {speed}
        spin {r} at {speed}
        put {r} on {speed}
        """, 1.6),
    _recipe("up", "fan", """
        (speed|turn) up {r}
        (turn|speed|bring) {r} up [a (bit|notch|little)]
        make {r} [a bit] (faster|stronger|go faster|spin faster)
        (increase|raise|bump up) [the speed of] {r} [speed]
        {r} [a bit] faster
        more air {place}
        (increase|raise) {r} by {by}
        """, 0.9),
    _recipe("down", "fan", """
        (slow|turn) down {r}
        (turn|slow|bring) {r} down [a (bit|notch|little)]
        make {r} [a bit] (slower|quieter|weaker|go slower)
        (decrease|reduce|lower) [the speed of] {r} [speed]
        {r} [a bit] slower
        {r} (is|are) (too fast|too strong|too loud|blowing too hard)
        (decrease|lower) {r} by {by}
        """, 0.9),
    _recipe("on", "fan", """
        it's [so|really|too|very] (stuffy|sticky|muggy|airless) {place}
        (i|we) need [some] (air|fresh air|a breeze|ventilation) {place}
        it smells [bad|funny|terrible] {place}
        (get|move) some air {place}
        there's no air {place}
        air out {place_only}
        (ventilate|air) {place_only}
        it's (all steamed up|steamy|foggy|humid|damp) {place}
        the mirror is (fogged up|steamed up) {place}
        something is burning {place}
        there's (smoke|steam) {place}
        get rid of the (smell|steam|smoke) {place}
        it stinks {place}
        i could use a breeze {place}
        """, 1),
    _recipe("cool", "any", """
        it's [so|really|too|way too|very] (hot|warm|boiling|sweltering|scorching) {place}
        it is [too|so] (hot|warm) {place}
        (i'm|i am|we're) [so|too|really] (hot|sweating|boiling|melting|roasting|overheating) {place}
        cool {place_only} down
        (cool it|cool things) down {place}
        make it [a bit] (cooler|colder) {place}
        """, 0.9),
    _recipe("warm", "any", """
        it's [so|really|too|way too|very|a bit] (cold|freezing|chilly|cool) {place}
        it is [too|so] cold {place}
        (i'm|i am|we're) [so|too|really] (cold|freezing|shivering|chilly) {place}
        warm {place_only} up
        (warm it|heat things|heat it) up {place}
        make it [a bit] warmer {place}
        my (feet|hands|toes) are (cold|freezing|ice) {place}
        """, 0.9),
    # -- climate ---------------------------------------------------------------------------------------------------
    _recipe("set", "climate", """
        (set|change|adjust|put|turn) {r} to {temp}
        (set|change|adjust) the temperature {place} to {temp}
        (set|change) the temperature (of|on) {r} to {temp}
        (heat|cool|warm) {place_only} to {temp}
        make it {temp} {place}
        i (want|need|would like) it [to be] {temp} {place}
        {r} [to|at] {temp}
        keep {place_only} at {temp}
        (turn|crank) {r} (up|down) to {temp}
        set {place_only} to {temp_degrees}
        """, 1.6),
    _recipe("up", "climate", """
        (turn|crank|bring) up {r} [a (bit|notch|degree)]
        (turn|crank|bring) {r} up [a (bit|notch|degree)]
        (raise|increase|bump up) the temperature {place}
        raise {r} by {deg}
        (turn|crank) up the heat {place}
        {r} [a bit] (warmer|higher)
        """, 0.8),
    _recipe("down", "climate", """
        (turn|bring) down {r} [a (bit|notch|degree)]
        (turn|bring) {r} down [a (bit|notch|degree)]
        (lower|decrease|reduce|drop) the temperature {place}
        lower {r} by {deg}
        turn down the heat {place}
        {r} [a bit] (cooler|lower)
        """, 0.8),
    _recipe("mode", "climate", "set {r} fan [mode] to {mode}\nput the fan of {r} (on|in) {mode}\nset the fan mode {place} to {mode}", 0.3),
    # -- media -----------------------------------------------------------------------------------------------------
    _recipe("set", "media", """
        (set|change|adjust|turn|put|bring) the volume (of|on|for) {r} to {pct}
        (set|change|adjust|put|turn) {r} [volume] to {pct}
        {r} volume [to|at] {pct}
        (set|change|put|turn) the volume [{place}] to {pct}
        volume {pct} [{place}]
        volume (to|at) {pct} [on {r}]
        turn {r} (up|down) to {pct}
        turn the (volume|sound|music) (up|down) to {pct} [{place}]
        make {r} {pct} loud
        {r} to {pct}
        {r} [at|to] {pct} volume
        (crank|turn) {r} {way} up
        (put|turn) {r} (up to|down to) {pct}
        """, 1.9),
    _recipe("up", "media", """
        (turn|crank) up {r} [a (bit|notch|little)]
        (turn|crank|pump) {r} up [a (bit|notch|little)]
        (turn|crank) up the (volume|sound|music) {place}
        (turn|crank) the (volume|sound|music) up [a (bit|notch|little)] {place}
        (increase|raise|boost) the volume [(of|on) {r}] [{place}]
        make {r} [a bit] louder
        louder [please] {place}
        volume up {place}
        (i|we) can't hear {r}
        (i|we) can (hardly|barely) hear {r}
        {r} (is|are) [a bit|way|far] too quiet
        {r}'s too quiet
        (raise|increase|turn up) the volume (of|on) {r} by {by}
        turn {r} up by {by}
        {r} up [a (bit|notch|touch|little)]
        what (did|is) (he|she) say[ing][,] turn {r} up [a bit]
        speak up
        i can't hear (a thing|anything) (on|from) {r}
        it's too quiet {place}
        """, 1.6),
    _recipe("down", "media", """
        turn down {r} [a (bit|notch|little)]
        turn {r} down [a (bit|notch|little)]
        turn down the (volume|sound|music) {place}
        turn the (volume|sound|music) down [a (bit|notch|little)] {place}
        (decrease|lower|reduce) the volume [(of|on) {r}] [{place}]
        make {r} [a bit] (quieter|softer)
        (quieter|softer) [please] {place}
        volume down {place}
        {r} (is|are) [way|far] too loud
        (it's|that's|the music is) [way|far] too loud {place}
        (lower|decrease|turn down) the volume (of|on) {r} by {by}
        turn {r} down by {by}
        keep it down {place}
        {r} down [a (bit|notch|touch|little)]
        i can't hear myself think {place}
        (i'm|we're) trying to (sleep|work|talk)[,] turn {r} down
        the neighbo[u]rs are complaining [about {r}]
        a bit less noise {place}
        the (baby|dog|kid) is (sleeping|asleep)[,] turn {r} down
        """, 1.6),
    _recipe("mute", "media", """
        mute {r}
        mute the (sound|volume|music|audio|media) {place}
        silence {r}
        (put|set) {r} on mute
        turn off the sound (of|on) {r}
        hush {r}
        be quiet {place}
        (cut|kill) the sound (of|on) {r}
        """, 0.9),
    _recipe("unmute", "media", """
        unmute {r}
        unmute the (sound|volume|music|audio|media) {place}
        turn the sound (of|on) {r} back on
        take {r} off mute
        give me (the|my) sound back (on|from) {r}
        """, 0.7),
    _recipe("next", "media", """
        next (song|track|episode|one|video) [(on|for) {r}]
        (skip|skip past|jump over) this (song|track|one|episode) [(on|for) {r}]
        skip (ahead|forward) [on {r}]
        play the next (song|track|one|episode) [on {r}]
        i don't like this (song|track|one) [{place}]
        skip [it] [on {r}]
        (go|move) (on|forward) to the next (song|track|episode) [on {r}]
        next on {r}
        i'm (sick|tired) of this (song|track)
        change the song {place}
        """, 1),
    _recipe("previous", "media", """
        previous (song|track|episode|one|video) [(on|for) {r}]
        go back [to] (one|a|the last|the previous) (song|track|episode) [on {r}]
        play the (previous|last) (song|track|one|episode) [again] [on {r}]
        play that [song|track] again [on {r}]
        (again|replay) the last (song|track) [on {r}]
        back one track [on {r}]
        rewind to the (last|previous) (song|track) [on {r}]
        """, 0.8),
    _recipe("pause", "media", """
        pause {r}
        pause the (music|song|movie|video|show|podcast|media|playback|film) {place}
        pause [it|that]
        stop {r}
        stop the (music|song|movie|video|show|podcast|playback|film) {place}
        stop playing [music] {place}
        hold {r} [for a (second|minute|moment)]
        (put|have) {r} on (pause|hold)
        freeze the (movie|film|picture) {place}
        i (need|have) to (answer the door|take a call)[,] pause {r}
        halt the music {place}
        {r} on pause
        (someone's at the door|the phone is ringing|hold on|wait)[,] pause {r}
        stop the (noise|racket) {place}
        """, 1.4),
    _recipe("resume", "media", """
        (resume|unpause|continue) {r}
        (resume|unpause|continue) the (music|song|movie|video|show|podcast|playback|film) {place}
        (resume|continue) playing [{place}]
        keep playing [{place}]
        (play|start) the (music|movie|show|video) again {place}
        un-pause {r}
        (carry on|go on) with the (music|movie|film|show) {place}
        hit play on {r}
        {r} on play
        play {r}
        where were we[,] (resume|continue) the (movie|film|show)
        press play [on {r}]
        start playing again on {r}
        let {r} (play|continue|go on)
        """, 1.2),
    _recipe("play", "media", """
        play {query} (on|in|through|over) {r}
        play {query} [{place}]
        play {query}
        put on {query} (on|in) {r}
        put {query} on (on|in) {r}
        i (want|would like|feel like) to (hear|listen to) {query} [{place}]
        i (want|would like|feel like) to (hear|listen to) {query} on {r}
        start [playing] {query} on {r}
        let's (hear|listen to) {query} [{place}]
        stream {query} (on|to) {r}
        play me {query} [{place}]
        throw on {query} {place}
        """, 1.3),
    # -- lists -----------------------------------------------------------------------------------------------------
    _recipe("add", "todo", """
        add {item} to {list}
        (put|place|write|stick|throw) {item} (on|onto|in) {list}
        add {item} and {item} to {list}
        (put|add) {item}, {item} and {item} (on|to) {list}
        {list}[:] add {item}
        i need {item} on {list}
        include {item} in {list}
        (note|write down|jot down) {item} (on|in) {list}
        append {item} to {list}
        (we're|we are|i'm) (out of|running low on|almost out of|short on) {item}
        (we|i) (need|have) to (buy|get|pick up|order) [some|more] {item}
        (we|i) need [some|more] {item} from the (store|shop|supermarket)
        don't forget [to (buy|get)] {item}
        remind me to (buy|get) {item}
        get {item} on {list}
        make a note to (buy|get) {item} on {list}
        new (item|entry|task) (on|for) {list}[:] {item}
        could you add {item} to {list}
        (we're|we are|i'm) (out of|nearly out of|low on) {item}[,] (add|put|stick|get|pop) {pron} (on|to|onto) {list}
        (we|i) need [more|some] {item}[,] (add|put|stick) {pron} (on|to) {list}
        {item} and {item} (on|to|onto) {list}
        put {item} and {item} on {list}
        {item} for {list}
        (there's no|there is no|we have no|there isn't any) {item} left
        {list} needs {item}
        the last of the {item} is gone
        we ran out of {item}
        someone (finished|used up) the {item}
        i (have|need) to {task} [tomorrow|this weekend], put (it|that) on {list}
        {task} needs to (go|be) on {list}
        put {task} (on|in) {list}
        add {task} to {list}
        remind me to {task}
        (don't let me forget|i mustn't forget) to {task}
        pop {item} on {list}
        shove {item} on {list}
        """, 3),
    _recipe("complete", "todo", """
        (check|tick|cross|mark) off {item} (on|from) {list}
        (check|tick|cross) {item} off [of] {list}
        mark {item} [as] (done|complete|completed|finished|bought) [on {list}]
        complete {item} (on|in|from) {list}
        (i've|i have|i) (done|finished|completed) {item} (on|from) {list}
        (i've|i have|we) (bought|got) [the] {item}[,] (check|tick|cross) it off [{list}]
        {item} (is|are) done[,] check it off {list}
        strike {item} off {list}
        (check|tick|cross|mark) off {item}
        (check|tick|cross) off {item} and {item} (on|from) {list}
        mark {item} [as] (done|complete|completed|finished|bought)
        mark {task} [as] (done|complete|completed|finished) [on {list}]
        {done}[,] [you can|please|so] (check|tick|cross|scratch) (it|that|them|this) off [{list}]
        {done}[,] so [you can] (check|tick|cross) (it|that) off [{list}]
        {done}[,] (check|tick|cross) (it|that) off
        (i've|i have|we've|we have) (bought|got|picked up) [the] {item} and [the] {item}[,] (check|tick|cross) them off [{list}]
        {item} (has|have) arrived[,] (check|tick|cross) (it|them) off [{list}]
        i (got|bought|picked up) [the] {item}[,] (check|tick|cross) (it|them) off [{list}]
        i'm done with {task} on {list}
        (check|tick|cross) {task} off [of] {list}
        """, 1.8),
    _recipe("remove", "todo", """
        (delete|remove|take|erase|drop) {item} (from|off) {list}
        (take|get) {item} off [of] {list}
        we don't need {item} on {list} [anymore]
        get rid of {item} on {list}
        """, 0.7),
    # -- robots ----------------------------------------------------------------------------------------------------
    _recipe("start", "vacuum", """
        (start|run|launch|activate|send out|turn on|begin) {r}
        (tell|ask|get|have|let) {r} [to] (clean|start|vacuum|go|start cleaning|do its thing|do a round)
        start (vacuuming|cleaning|hoovering) [{place}]
        (vacuum|clean|hoover|sweep) [{place_only}]
        (the|my) floor[s] (is|are) (dirty|filthy|dusty|a mess) [{place}]
        there (is|are) (crumbs|dust|dog hair|cereal|sand) (all over|on) the floor [{place}]
        (clean|suck) up (the crumbs|the dust|this mess|the mess) [{place}]
        set {r} (going|loose|to work)
        {r} should (clean|start)
        time to vacuum [{place}]
        get the floors (done|cleaned|vacuumed)
        turn {r} on
        get {r} going
        get {r} to (clean|do) [{place_only}]
        have {r} (do|make) (its|a) (round|rounds|thing)
        {r} clean [{place_only}]
        someone (spilled|dropped) (cereal|flour|sand|chips) {place}
        send {r} out
        send {r} (to|into) {place_only}
        let {r} loose
        (i|the dog|the kids) made a mess {place}
        """, 1.8),
    _recipe("dock", "vacuum", """
        (send|return|bring) {r} [back] [(home|to base|to its base|to the dock|to its dock|to its charger|to the charging station)]
        (dock|park|recall) {r}
        {r} (go home|back to base|return to base|go back to [its|the] dock)
        (tell|ask|get|have) {r} [to] (go home|return to base|go back to its dock|dock|charge|recharge)
        (stop|cancel) (vacuuming|cleaning|hoovering)
        (turn off|stop|call back) {r}
        {r} (is|has) (done|finished) [cleaning][,] send it home
        {r} back to (base|the dock|its dock|the charger)
        that's clean enough[,] send {r} home
        (put|get) {r} (away|back on the charger|back in its dock)
        call {r} (home|back|off)
        get {r} out of (here|the way)
        """, 1.5),
    _recipe("pause", "vacuum", "pause {r}\nhold {r} for a (second|minute)\n{r} pause\npause (vacuuming|cleaning)", 0.6),
    _recipe("resume", "vacuum", "resume {r}\n(resume|continue) (cleaning|vacuuming)\nhave {r} continue", 0.3),
    _recipe("start", "mower", """
        (start|run|launch|activate|turn on) {r}
        (mow|cut|trim) the (lawn|grass)
        start mowing [the lawn]
        the (lawn|grass) (is|has gotten) too (long|high)
        (tell|have|let) {r} [to] (mow|start|cut the grass)
        the (lawn|grass) needs (a cut|mowing|a trim)
        send {r} out [to mow]
        get {r} (going|mowing)
        let {r} loose on the (lawn|grass)
        """, 0.8),
    _recipe("dock", "mower", """
        (dock|park|stop) {r}
        send {r} [back] [(home|to base|to its dock)]
        stop mowing
        (tell|have) {r} [to] (go home|dock|stop)
        it's (raining|starting to rain|about to pour)[,] (bring|call|get) {r} [back] in
        call {r} (back|home|in|back in)
        bring {r} (in|back|home|back in)
        {r} back to (base|the dock|its shed)
        """, 0.7),
    _recipe("pause", "mower", "pause {r}\npause mowing", 0.2),
    # -- scenes ----------------------------------------------------------------------------------------------------
    _recipe("on", "scene", """
        (activate|start|run|trigger|execute|launch|engage) {r}
        (activate|start|run|trigger) {r} (scene|script|mode|routine)
        (turn|switch) on {r} [scene|mode]
        set the scene to {r}
        {r} (scene|mode|time) [please]
        it's time for {r}
        (go|switch) to {r} [mode]
        {r} please
        let's have {r}
        (we're|i'm) (ready for|in the mood for) {r}
        put {r} on
        run the {r} (scene|script|routine)
        """, 0.9),
    # -- questions: they never act ----------------------------------------------------------------------------------
    _recipe("query", "readable", """
        (is|are) {r} {state}
        (is|are) {r} (still|already|really|currently) {state}
        (was|were) {r} {state}
        did (i|you|we|anyone|someone) (leave|forget) {r} {state}
        did (i|you|we) (turn|switch) {r} (on|off)
        did (i|you|anyone|someone) (lock|close|open|shut|unlock) {r}
        have (i|you|we) (turned off|closed|locked|shut|opened) {r}
        has (anyone|someone) (turned on|opened|locked|closed) {r}
        (what's|what is) the (state|status|position|brightness|level|speed|setting|volume|battery) of {r}
        (what's|what is) {r} (set to|doing|at|playing)
        how (bright|loud|fast|warm|open) (is|are) {r}
        which (lights|doors|windows|blinds|fans|locks|devices) are {state} [{place}]
        (are|is) (any|some|all) [of the] (lights|doors|windows|blinds|curtains|fans|locks) {state} [{place}]
        how many (lights|doors|windows|blinds|fans) are {state} [{place}]
        (who|when) (left|turned|opened|locked|closed) {r} [{state}]
        why (is|are) {r} {state}
        (can you|could you) (tell me|check) (if|whether) {r} (is|are) {state}
        do you know (if|whether) {r} (is|are) {state}
        check (if|whether) {r} (is|are) {state}
        (tell me|let me know|i wonder|i'd like to know) (if|whether) {r} (is|are) {state}
        (can|could) {r} be (dimmed|automated|controlled|locked)
        where (is|are) {r}
        what (color|colour|temperature|brightness|speed) (is|are) {r}
        is (anything|something|everything) {state} {place}
        is there (a|any) (light|fan|speaker|tv) {place}
        (does|do) {r} (work|support dimming|need charging)
        is it (possible|safe) to (open|close|turn on|unlock) {r}
        what (happens|would happen) if i (turn on|turn off|open|close|unlock) {r}
        what's (on|playing on) {r}
        how (do|can|would) i (turn on|turn off|open|dim|lock|reset) {r}
        how long (has|have) {r} been {state}
        {r} (is|are) {state}[,] (right|isn't it|correct)
        should i (turn on|turn off|close|open|lock) {r}
        do i (need|have) to (turn on|close|lock) {r}
        what's on {list}
        (is|are) {item} on {list} [already]
        how many (items|things) are on {list}
        read (me|out) {list}
        what do (we|i) (need|have) (on|from) {list}
        what time (did|does) {r} (turn on|turn off|open|close|start)
        is it (dark|light|warm|cold|bright|noisy) {place}
        """, 3),
    _recipe("temperature", "climate", """
        (what's|what is|how is|tell me) the [current] (temperature|temp) [{place}]
        how (hot|cold|warm|cool) is (it|the air) {place}
        what temperature is it {place}
        how (hot|cold|warm|cool) is {place_only}
        """, 0.4),
    _recipe("weather", "any", """
        (what's|how's|what is|how is) the weather [like] [today|tomorrow|outside]
        (will|is) it [going to] rain [today|tomorrow|tonight]
        do i need an umbrella [today]
        (what's|give me) the forecast [for (today|tomorrow|the weekend)]
        is it (sunny|raining|snowing|windy) [outside]
        """, 0.3),
    _recipe("time", "any", "what time is it [now]\n(what's|tell me) the time\nwhat is the current time\ndo you have the time", 0.2),
    _recipe("date", "any", "(what's|what is|tell me) (the date|today's date)\nwhat day is it [today]\nwhich day of the week is it", 0.2),
    # -- nothing to do ----------------------------------------------------------------------------------------------
    _recipe("none", "any", """
        (don't|do not|please don't|never|you shouldn't) (turn|switch) (on|off) {r}
        (don't|do not|please don't) (turn|switch) {r} (on|off)
        (don't|do not|please don't|never) (open|close|lock|unlock|touch|dim|start|stop|mute|change) {r}
        leave {r} (alone|as is|as it is|the way it is|be|on|off|open|closed)
        (no need to|you don't have to|you don't need to|there's no need to) (turn off|turn on|open|close|lock|dim|start) {r}
        keep {r} (on|off|open|closed|as is|running)
        (i|we|she|he|dad) [already] (turned|switched) {r} (on|off) [already|yesterday|earlier|myself|this morning]
        (i|we|my wife|my brother) (bought|installed|painted|cleaned|broke|love|like|hate) {r}
        {r} (was|were) (on|off|open|closed|expensive|broken) [yesterday|last night|all day]
        i'll (turn off|turn on|close|open|lock) {r} (myself|later)
        if (i|we) (turn on|opened|left) {r} (it|the power|the alarm) (would|might) {text}
        {r} (looks|look) (great|nice|good|awful)
        (i think|i guess|i heard) {r} (is|are) {text}
        nice {r}
        (thanks|thank you|great|perfect|awesome|cool) [for (that|turning off {r}|opening {r})]
        (tell me|do you know) a (joke|story|riddle)
        (hello|hi|hey|good morning|good evening) [there|everyone|robot]
        (how are you|who are you|what's your name|are you there|what can you do)
        (what|who|where|why|how) (is|was|are|were) {text}
        (i'm|i am|i feel|we're) (bored|hungry|tired|happy|sad|fine|okay|back|ready)
        (sing|write|recite) (me|us) a (song|poem)
        (book|order|reserve|call) (me|us) (a taxi|a table|a pizza|an uber|mom|the office)
        (send|write|read) (a|my) (message|email|mail|text) [to {text}]
        what's {pct} of {pct}
        (i was|he was) just (talking|thinking) about {r}
        (maybe|perhaps) {text}
        (remember|remind me) (that|to) {text}
        (the|my) (dog|cat|neighbor|car|phone|dinner|homework) (is|was) {text}
        (actually|hmm|well|okay|wait)
        (translate|spell|define|google|search) {text}
        set {r} on fire
        paint {r}
        (sell|replace|repair|fix|clean) {r}
        forget (it|about it|what i said)
        (not {r}|not now|no)
        turn (left|right|around)
        (under no circumstances|in no case|whatever you do don't) (turn|switch) (off|on) {r}
        (do not|don't you dare) (turn|switch) {r} (off|on)
        (heat|warm) up (the pizza|my soup|the oven|my dinner)
        drop (the anchor|me a line|the subject)
        (raise|lower) (the anchor|my salary|your voice|the flag)
        (light|put on) (a cigarette|the barbecue|my shoes|a candle)
        (make|brew|pour) me (a coffee|some tea|a sandwich|a drink)
        (turn|flip) the (page|pancake|tables)
        (run|draw|fill) me a bath
        (feed|walk|wash) the (dog|cat|car)
        (clean|scrub) the (windows|toilet|dishes|oven)
        (lock|open) my (phone|computer|suitcase)
        (that|this) was (nice|loud|bright|fun)
        (i'm|we're) (going|off) to (work|school|the shop|bed)
        (one|two|three) (moment|second|sec)
        is this thing on
        (how|where) do i (find|buy|replace) {text}
        who (won|wrote|invented|sang) {text}
        open (a bottle of wine|the jar|my email|the book)
        close (my account|your eyes|the deal)
        (play|start) (a game|over)
        """, 3.2),
    _recipe("nevermind", "any", "(nevermind|never mind|forget it|cancel that|scratch that)", 0.15),
    # -- timers, later ------------------------------------------------------------------------------------------------
    _recipe("timer_start", "timer", """
        (set|start|create|make) a timer for {duration}
        (set|start|create) a {duration} timer
        {duration} timer
        timer for {duration}
        wake me [up] in {duration}
        (remind|tell) me in {duration} to {text}
        count down [from] {duration}
        {command} in {duration}
        in {duration} {command}
        {command} after {duration}
        """, 1.2),
    _recipe("timer_cancel", "timer", "(cancel|stop|delete|kill) (the|my) timer\n(cancel|stop) the {duration} timer\ncancel all [my] timers", 0.3),
    _recipe("timer_pause", "timer", "pause (the|my) timer\npause the {duration} timer", 0.2),
    _recipe("timer_resume", "timer", "(resume|continue|unpause) (the|my) timer", 0.2),
    _recipe("timer_increase", "timer", "add {duration} to (the|my) timer\n(extend|increase) (the|my) timer by {duration}", 0.2),
    _recipe("timer_decrease", "timer", "take {duration} off (the|my) timer\n(decrease|shorten) (the|my) timer by {duration}", 0.2),
    _recipe("timer_status", "timer", "how (much time|long) is left [on (the|my) timer]\n(the|my) timer status\nhow long until (the|my) timer (ends|rings)", 0.2),
    _recipe("broadcast", "any", "(broadcast|announce) [that] {text}\n(tell everyone|let everybody know) [that] {text}", 0.2),
)  # fmt: skip

# What people say before they come to the point; it asks for nothing by itself.
PREAMBLES = (
    "dinner's done", "the meeting is over", "i'm home", "we're home", "my parents are staying over tonight",
    "guests are coming", "the movie is starting", "it's bedtime", "the kids are asleep", "i'm off to work",
    "we're going to bed", "i'm in bed already", "i just woke up", "good morning", "good night", "right", "it's late",
    "party's over", "the game is on", "what's he mumbling about", "the cat wants out", "i've got my hands full",
    "i'm on the phone", "the baby just fell asleep", "my hands are dirty", "the guests have left", "it's getting late",
    "we have company", "class is over", "lunch is ready", "time for bed", "i'm working late", "the plumber is here",
    "mum's here", "oh no", "whoops", "i forgot", "sorry", "the dog is barking", "it's friday", "i'm freezing out here",
    "we're having dinner", "nobody's in there", "the delivery is here", "i'm painting", "breakfast is ready", "ouch",
    "the show's about to start", "i'm going out for a run", "the battery is low", "you know what", "listen",
)  # fmt: skip
TASKS = {
    "call the dentist": ("the dentist has been called", "i've called the dentist", "i called the dentist"),
    "fix the sink": ("the sink is fixed", "i fixed the sink", "the sink's been fixed"),
    "water the plants": ("the plants are watered", "the plants have been watered", "i've watered the plants"),
    "pay the rent": ("the rent is paid", "i paid the rent", "the rent's been paid"),
    "wash the car": ("the car is washed", "i washed the car", "the car's clean"),
    "clean the gutters": ("the gutters are clean", "i cleaned the gutters", "gutters are done"),
    "walk the dog": ("the dog's been walked", "i walked the dog", "the dog has had his walk"),
    "book flights": ("the flights are booked", "i've booked the flights", "flights are booked"),
    "paint the fence": ("the fence is painted", "fence is painted", "i've painted the fence"),
    "take out the trash": ("the trash is out", "i took out the trash", "the trash has been taken out"),
    "order printer ink": ("the printer ink is ordered", "printer ink's ordered", "i've ordered printer ink"),
    "feed the chickens": ("the chickens are fed", "i fed the chickens", "chickens have been fed"),
    "empty the dishwasher": ("the dishwasher's empty", "the dishwasher has been emptied", "i emptied the dishwasher"),
    "mend the net": ("the net is mended", "i've mended the net", "net's mended"),
    "change the bed sheets": ("the bed sheets are changed", "sheets are changed", "i changed the sheets"),
    "service the boiler": ("the boiler's been serviced", "the boiler is serviced", "they serviced the boiler"),
    "email the landlord": ("i emailed the landlord", "i've emailed the landlord", "the landlord has been emailed"),
    "check the tire pressure": ("i checked the tire pressure", "tire pressure is checked", "tires are checked"),
    "oil the hinges": ("the hinges are oiled", "i oiled the hinges", "hinges are oiled"),
    "bake a cake": ("the cake is baked", "i baked the cake", "cake's baked"),
    "renew the passport": ("my passport is renewed", "i renewed the passport", "passport's renewed"),
    "pack the suitcase": ("the suitcase is packed", "i packed the suitcase", "suitcase's packed"),
}  # fmt: skip

OPENINGS = (
    "please", "can you", "could you", "would you", "can you please", "could you please", "hey", "ok", "okay", "hi",
    "i'd like you to", "i want you to", "would you mind to", "um", "uh", "so", "alright", "now", "quickly", "hey robot",
    "computer", "be a dear and", "do me a favor and", "i need you to", "go ahead and", "just", "well", "right",
    "will you", "would you kindly", "if you could", "let's", "time to", "you should", "hey assistant", "oh", "right then",
    "jarvis", "excuse me", "it would be great if you could", "i was wondering if you could", "mind", "kindly", "pls",
)  # fmt: skip
CLOSINGS = (
    "please", "now", "thanks", "thank you", "for me", "right now", "would you", "will you", "asap", "if you can",
    "when you get a chance", "ok", "cheers", "for a while", "immediately", "if you don't mind", "pls", "again", "thx",
    "already", "please and thank you", "too", "as well", "for the night", "before i go to bed", "honey", "buddy", "mate",
)  # fmt: skip
FILLERS = ("um", "uh", "like", "you know", "erm", "hmm", "er", "well")
JOINS = (
    "and",
    "and then",
    "then",
    ",",
    ", and",
    "also",
    ", then",
    "and also",
    "after that",
    ", also",
    "plus",
    ". ",
    "; ",
)

ITEMS = (
    "milk", "eggs", "bread", "butter", "apples", "bananas", "toilet paper", "coffee", "olive oil", "dog food",
    "cat litter", "orange juice", "chicken breast", "ground beef", "two lemons", "a dozen eggs", "oat milk", "pasta",
    "tomatoes", "onions", "garlic", "rice", "cheese", "cheddar", "yogurt", "ice cream", "dish soap", "batteries",
    "aa batteries", "light bulbs", "paper towels", "sparkling water", "red wine", "beer", "birthday candles",
    "wrapping paper", "sunscreen", "toothpaste", "shampoo", "flour", "sugar", "baking powder", "maple syrup",
    "call the dentist", "call mom", "pay the rent", "water the plants", "take out the trash", "book flights",
    "fix the sink", "wash the car", "clean the gutters", "buy stamps", "renew passport", "return library books",
    "walk the dog", "finish the report", "change the oil", "mow the lawn", "paint the fence", "feed the cat",
    "schedule a haircut", "order printer ink", "pick up the dry cleaning", "vacuum the stairs", "hummus", "salsa",
    "tortilla chips", "frozen peas", "salmon", "avocados", "lettuce", "cucumber", "peanut butter", "jam", "honey",
    "cereal", "granola bars", "tea bags", "diapers", "baby wipes", "laundry detergent", "sponges", "trash bags",
    "aluminium foil", "screws", "duct tape", "a hammer", "potting soil", "fertilizer", "charcoal", "ketchup",
    "mustard", "soy sauce", "tofu", "spinach", "carrots", "potatoes", "gluten free bread", "lamp oil", "new curtains",
    "door hinges", "window cleaner", "a new lamp", "kitchen roll", "garage remote battery", "fan belt", "water filter",
    "tickets for the concert", "email the landlord", "dentist appointment", "swim goggles", "passport", "phone charger",
)  # fmt: skip
QUERIES = (
    "some jazz", "jazz", "the beatles", "classical music", "lo-fi beats", "my workout playlist", "the news", "pink floyd",
    "bohemian rhapsody", "dark side of the moon", "some music", "rock music", "christmas songs", "my liked songs",
    "the latest episode of serial", "taylor swift", "a podcast about history", "the dinner playlist", "rain sounds",
    "white noise", "bach", "abba gold", "something relaxing", "thriller by michael jackson", "radio one", "bbc radio 4",
    "the lion king", "stranger things", "daft punk", "miles davis", "queen", "the frozen soundtrack", "hotel california",
    "some techno", "country music", "an audiobook", "harry potter audiobook", "discover weekly", "whale sounds",
    "billie eilish", "mozart's requiem", "smooth jazz", "90s hits", "the planet earth documentary", "salsa music",
)  # fmt: skip
TEXTS = (
    "dinner is ready", "we're leaving in ten minutes", "too expensive", "the capital of france", "better tomorrow",
    "the tallest mountain", "on sale", "the meaning of life", "barking again", "the kids are home", "asleep on the couch",
    "water is essential", "my keys", "later today", "the president", "very loud", "quite nice really", "trip",
    "it is late", "happy birthday", "the best one", "almost empty", "my favorite song", "twelve times nine",
    "photosynthesis", "the score of the game", "the plumber comes at nine", "check the oven", "take my pills",
)  # fmt: skip

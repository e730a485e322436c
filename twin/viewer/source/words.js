// Words of the page in English and Dutch, and short names of the variables that the engine writes; others keep the long
// name of the run file.
export const WORDS = {
  en: {
    layers: 'Layers', field: 'Land', hexagons: 'Nature hexagons', roads: 'Roads', buildings: 'Buildings', branches: 'Power lines',
    buses: 'Power assets', border: 'Border of the province', names: 'Names', relief: 'Relief', play: 'Play (space)', pause: 'Pause (space)', speed: 'steps a second',
    scale: 'Scale', modeRun: 'locked, whole run', modeStep: 'automatic, each step', modeGiven: 'locked, given', colours: 'Colours', lowest: 'lowest', highest: 'highest',
    opacity: 'Opacity', filter: 'Show only', filterNone: 'everything', shownOf: '{n} of {m} shown', more: 'Settings of', none: 'no colour', results: 'Results', properties: 'Properties',
    first: 'First', second: 'Second', difference: 'Difference', differenceLong: 'second − first', missing: 'no value', png: 'Picture', link: 'link', bus: 'asset', branch: 'line',
    cell: 'cell', building: 'building', hexagon: 'hexagon', synthetic: 'Synthetic province: no real place', made: 'made by a rule, not measured',
    noteYear: 'background, and this run’s deposition as if the whole year went like it so far', running: 'run in progress', scenario: 'scenario', steps: 'steps', close: 'Close', loading: 'Opening the run…', drop: 'Drop a run file to open it', open: 'Open file', all: 'all vehicles',
    light: 'light vehicles', freight: 'freight', sampled: 'every {n} steps', help: 'Keys', hide: 'Hide panels', home: 'Whole province', language: 'Nederlands', step: 'time',
    keys: '← →|one step|Home End|first, last step|PgUp PgDn|one day|Space|play or pause|W A S D|move|Q E|turn|R F|tilt|+ −|zoom|0|whole province|Enter|inspect the middle|1 … 6|layers on and off|V|first, second, difference|H|hide or show panels|P|save picture|L|Nederlands|Esc|close|?|this list',
    mouse: 'Drag to move, right-drag to turn, wheel to zoom, click for a time series.',
    errorFilter: 'This file uses a compression that a browser cannot read: {x}. Write it again with this version of Province Twin.',
    errorForeign: 'This is no run file of Province Twin. Open one that `twin run` wrote.',
    errorHdf5: 'This file cannot be read: it is damaged, cut off, or no HDF5 file. Copy it again from its source.',
    errorLayout: 'This run file has layout {x}; this viewer reads layout 1. Use the version that wrote it.',
    errorOther: 'The run cannot be shown: {x}', errorBusy: 'The run file is being written all the time; try again in a moment.',
    errorAnswer: 'The viewer’s server gave no file (answer {x}). Is `twin view` still running?',
    errorRange: 'The server does not hand out parts of a file (HTTP Range); use `twin view`.',
    errorProvince: 'The two runs are of different provinces (their coordinates differ) and cannot be compared.',
    errorEmpty: 'The run has no output step yet; this page looks again every few seconds.',
  },
  nl: {
    layers: 'Lagen', field: 'Land', hexagons: 'Natuurhexagonen', roads: 'Wegen', buildings: 'Gebouwen', branches: 'Stroomlijnen',
    buses: 'Stroomnet', border: 'Provinciegrens', names: 'Namen', relief: 'Reliëf', play: 'Afspelen (spatie)', pause: 'Pauze (spatie)', speed: 'stappen per seconde',
    scale: 'Schaal', modeRun: 'vast, hele berekening', modeStep: 'automatisch, per stap', modeGiven: 'vast, opgegeven', colours: 'Kleuren', lowest: 'laagste', highest: 'hoogste',
    opacity: 'Dekking', filter: 'Toon alleen', filterNone: 'alles', shownOf: '{n} van {m} getoond', more: 'Instellingen van', none: 'geen kleur', results: 'Uitkomsten', properties: 'Eigenschappen',
    first: 'Eerste', second: 'Tweede', difference: 'Verschil', differenceLong: 'tweede − eerste', missing: 'geen waarde', png: 'Afbeelding', link: 'wegvak', bus: 'station', branch: 'lijn',
    cell: 'cel', building: 'gebouw', hexagon: 'hexagoon', synthetic: 'Synthetische provincie: geen echte plek', made: 'volgens een regel gemaakt, niet gemeten',
    noteYear: 'achtergrond, en de depositie van deze berekening alsof het hele jaar zo ging', running: 'berekening loopt', scenario: 'scenario', steps: 'stappen', close: 'Sluiten', loading: 'Berekening openen…', drop: 'Laat een bestand los om het te openen', open: 'Bestand openen', all: 'alle voertuigen',
    light: 'licht verkeer', freight: 'vracht', sampled: 'elke {n} stappen', help: 'Toetsen', hide: 'Panelen verbergen', home: 'Hele provincie', language: 'English', step: 'tijd',
    keys: '← →|één stap|Home End|eerste, laatste stap|PgUp PgDn|één dag|Spatie|afspelen of pauze|W A S D|schuiven|Q E|draaien|R F|kantelen|+ −|zoomen|0|hele provincie|Enter|bekijk het midden|1 … 6|lagen aan en uit|V|eerste, tweede, verschil|H|panelen verbergen of tonen|P|afbeelding opslaan|L|English|Esc|sluiten|?|deze lijst',
    mouse: 'Slepen schuift, rechts slepen draait, het wiel zoomt, klikken geeft een tijdreeks.',
    errorFilter: 'Dit bestand gebruikt een compressie die een browser niet kan lezen: {x}. Schrijf het opnieuw met deze versie van Province Twin.',
    errorForeign: 'Dit is geen bestand van Province Twin. Open een bestand dat `twin run` schreef.',
    errorHdf5: 'Dit bestand is niet te lezen: beschadigd, afgebroken of geen HDF5. Kopieer het opnieuw van de bron.',
    errorLayout: 'Dit bestand heeft indeling {x}; deze viewer leest indeling 1. Gebruik de versie die het schreef.',
    errorOther: 'De berekening kan niet worden getoond: {x}', errorBusy: 'Het bestand wordt voortdurend geschreven; probeer het zo weer.',
    errorAnswer: 'De server van de viewer gaf geen bestand (antwoord {x}). Draait `twin view` nog?',
    errorRange: 'De server geeft geen delen van een bestand (HTTP Range); gebruik `twin view`.',
    errorProvince: 'De twee berekeningen zijn van verschillende provincies (de coördinaten verschillen) en kunnen niet worden vergeleken.',
    errorEmpty: 'De berekening heeft nog geen uitvoerstap; deze pagina kijkt over enkele seconden opnieuw.',
  },
};

// name -> [English, Dutch, how its unit is written where that of the file is not what people say]
const NAMES = {
  n_deposition: ['Nitrogen deposition since start', 'Stikstofdepositie sinds begin'],
  n_deposition_dry: ['Nitrogen deposition, dry', 'Stikstofdepositie, droog'],
  n_deposition_wet: ['Nitrogen deposition, wet', 'Stikstofdepositie, nat'],
  nox_concentration: ['NOx in the air (as NO2)', 'NOx in de lucht (als NO2)'],
  nh3_concentration: ['Ammonia in the air', 'Ammoniak in de lucht'],
  background_deposition: ['Background deposition', 'Achtergronddepositie'],
  background_exceedance: ['Background above critical load', 'Achtergrond boven kritische waarde'],
  critical_load: ['Critical load of nature', 'Kritische depositiewaarde'],
  hexagon_exceedance: ['Above critical load', 'Boven kritische depositiewaarde'],
  hexagon_excess: ['Above critical load', 'Boven kritische depositiewaarde'],
  hexagon_year_exceedance: ['Above critical load, annualised', 'Boven kritische waarde, per jaar'],
  hexagon_background_exceedance: ['Background above critical load', 'Achtergrond boven kritische waarde'],
  hexagon_critical_load: ['Critical load', 'Kritische depositiewaarde'],
  hexagon_deposition: ['Nitrogen deposition', 'Stikstofdepositie'],
  elevation: ['Ground height', 'Hoogte van de grond'],
  land_use: ['Land use', 'Landgebruik'],
  population: ['Inhabitants', 'Inwoners'],
  province: ['Inside the province', 'Binnen de provincie'],
  road_flow: ['Traffic flow', 'Verkeersstroom', 'veh/h'],
  road_saturation: ['Traffic of capacity', 'Verkeer van capaciteit', '%'],
  road_speed: ['Speed', 'Snelheid'],
  road_travel_time: ['Travel time', 'Reistijd'],
  road_nox: ['NOx from traffic (as NO2)', 'NOx van verkeer (als NO2)'],
  road_no2: ['NO2 from traffic', 'NO2 van verkeer'],
  road_nh3: ['Ammonia from traffic', 'Ammoniak van verkeer'],
  road_co2: ['CO2 from traffic', 'CO2 van verkeer'],
  road_class: ['Road class', 'Wegtype'],
  road_lanes: ['Lanes', 'Rijstroken'],
  road_capacity: ['Capacity', 'Capaciteit'],
  road_speed_limit: ['Speed limit', 'Maximumsnelheid'],
  road_length: ['Length', 'Lengte'],
  road_free_flow_time: ['Travel time on an empty road', 'Reistijd op een lege weg'],
  bus_load: ['Net electricity load', 'Netto elektriciteitsvraag'],
  bus_reactive: ['Reactive load', 'Blindvermogen'],
  bus_voltage: ['Voltage of rated', 'Spanning van nominaal', '%'],
  bus_voltage_rated: ['Rated voltage', 'Nominale spanning'],
  bus_kind: ['Kind of asset', 'Soort station'],
  bus_dwellings: ['Homes supplied', 'Woningen'],
  charging_power: ['Charging of electric cars', 'Laden van elektrische auto’s'],
  heat_pump_power: ['Heat pumps', 'Warmtepompen'],
  household_power: ['Homes', 'Huishoudens'],
  work_power: ['Services and industry', 'Diensten en industrie'],
  pv_power: ['Solar power', 'Zonnestroom'],
  power_status: ['State of the power flow', 'Toestand van de netberekening'],
  branch_loading: ['Load of rating', 'Belasting van nominaal', '%'],
  branch_power: ['Power', 'Vermogen'],
  branch_losses: ['Losses', 'Verliezen'],
  branch_kind: ['Kind of line', 'Soort lijn'],
  branch_basis: ['Origin of the line', 'Herkomst van de lijn'],
  branch_s_rated: ['Rating', 'Nominaal vermogen'],
  building_load: ['Electricity load', 'Elektriciteitsvraag'],
  building_height: ['Height', 'Hoogte'],
};

let language = 'en';
export const spoken = () => language;
export function speak(name) {
  language = name === 'nl' ? 'nl' : 'en';
}
export const word = (key, given = {}) => (WORDS[language][key] ?? key).replace(/\{(\w)\}/g, (_, k) => given[k]);

export function known(name) {
  const entry = Object.hasOwn(NAMES, name) ? NAMES[name] : null;
  return entry && { text: entry[language === 'nl' ? 1 : 0], units: entry[2] };
}

// Short name of an item: the engine's variables in both languages, others by the long name in the file.
export function label(item) {
  const { declared_as: declared, vehicle_class: vehicles, long_name: long } = item.attrs;
  const name = known(declared ?? item.name)?.text;
  if (!name) return String(item.whole ? long.replace(/,[^,]*$/, '') : (long ?? item.name));
  if (item.whole) return `${name}, ${word('all')}`;
  return vehicles ? `${name}, ${word(vehicles)}` : name;
}

export function written(value) {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size && (size < 1e-3 || size >= 1e7)) return value.toExponential(2);
  return value.toLocaleString(language, { maximumSignificantDigits: size >= 1000 ? Math.ceil(Math.log10(size + 1)) : 3 });
}

const clocks = {};
export function moment(date, options) {
  const key = language + JSON.stringify(options);
  clocks[key] ??= new Intl.DateTimeFormat(language === 'nl' ? 'nl-NL' : 'en-GB', { timeZone: 'Europe/Amsterdam', ...options });
  return clocks[key].format(date);
}
